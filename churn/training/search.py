"""Trying a few settings and keeping what ranks the selection cutoff best."""

from collections.abc import Callable, Iterable
from typing import TypeVar

from churn.evaluation.metrics import roc_auc
from churn.training.candidates import Parameters, Problem
from churn.training.estimators import Classifier, Matrix, scores_of

Model = TypeVar("Model", bound=Classifier)


def search(
    problem: Problem, matrix: Matrix, trials: Iterable[Parameters], fit: Callable[[Parameters], Model]
) -> tuple[float, Parameters, Model]:
    """Return the highest ROC-AUC on the selection rows, its parameters and the model that reached it.

    Args:
        problem: holds the outcomes of the selection rows.
        matrix: the selection rows as `fit` wants them.
        trials: at least one; an earlier trial wins ties.
        fit: makes a fitted classifier from one trial.
    """
    results = []
    for parameters in trials:
        model = fit(parameters)
        results.append((roc_auc(problem.selection_churned, scores_of(model, matrix)), parameters, model))
    return max(results, key=lambda result: result[0])
