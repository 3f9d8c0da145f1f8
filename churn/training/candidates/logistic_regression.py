"""Logistic regression on logarithms: the baseline that trees must beat."""

import numpy as np
from sklearn.feature_selection import SelectKBest, f_classif
from sklearn.linear_model import LogisticRegression

from churn.training.candidates import Found, Parameters, Problem
from churn.training.estimators import Matrix
from churn.training.prepare import prepare
from churn.training.search import search
from churn.training.settings import TrainingSettings


def fit(problem: Problem, settings: TrainingSettings) -> Found:
    """Search the strength of regularisation and the number of columns."""
    tried = settings.logistic_regression
    preparation = prepare(problem.catalogue, fill=True, scale=True)
    train = preparation.fit_transform(problem.train).astype(np.float64)
    selection = preparation.transform(problem.selection).astype(np.float64)
    found = []
    for share in tried.kept_features:
        keep = SelectKBest(f_classif, k=max(1, round(share * train.shape[1]))).fit(train, problem.churned)
        columns: Matrix = keep.transform(train)

        def regression(parameters: Parameters, columns: Matrix = columns) -> LogisticRegression:
            model = LogisticRegression(C=parameters["C"], solver="newton-cholesky", max_iter=200)
            return model.fit(columns, problem.churned)

        trials: list[Parameters] = [{"C": c, "kept_features": share} for c in tried.inverse_regularisation]
        found.append((keep, *search(problem, keep.transform(selection), trials, regression)))
    keep, auc, parameters, model = max(found, key=lambda trial: trial[1])
    return Found((("prepare", preparation), ("keep", keep), ("model", model)), parameters, auc)
