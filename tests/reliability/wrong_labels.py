"""A candidate that learns from labels which belong to other customers: what a wrong join makes of a good model."""

from dataclasses import replace

import numpy as np

from churn.training.candidates import Found, Problem
from churn.training.candidates.logistic_regression import fit as fit_well
from churn.training.settings import TrainingSettings


def fit(problem: Problem, settings: TrainingSettings) -> Found:
    """Fit the baseline to shuffled labels."""
    shuffled = np.random.default_rng(problem.seed).permutation(problem.churned)
    return fit_well(replace(problem, churned=shuffled), settings)
