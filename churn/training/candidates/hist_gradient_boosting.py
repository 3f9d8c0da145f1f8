"""Histogram gradient boosting: small trees, each correcting the ones before, stopped early."""

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier

from churn.training.candidates import Found, Parameters, Problem
from churn.training.prepare import prepare
from churn.training.search import search
from churn.training.settings import TrainingSettings

_FIRST: Parameters = {"learning_rate": 0.06, "max_leaf_nodes": 8, "min_samples_leaf": 40, "l2_regularization": 1.0}
_CHOICES = {
    "learning_rate": (0.04, 0.06, 0.1),
    "max_leaf_nodes": (4, 8, 16, 31),
    "min_samples_leaf": (20, 50, 200),
    "l2_regularization": (0.0, 1.0, 10.0),
}


def fit(problem: Problem, settings: TrainingSettings) -> Found:
    """Search a few settings drawn with the seed; missing numbers are branched on, not filled."""
    tried = settings.hist_gradient_boosting
    preparation = prepare(problem.catalogue, fill=False, scale=False)
    train = preparation.fit_transform(problem.train)
    selection = preparation.transform(problem.selection)
    draw = np.random.default_rng(problem.seed)
    drawn = [{name: draw.choice(values).item() for name, values in _CHOICES.items()} for _ in range(tried.trials - 1)]

    def boosting(parameters: Parameters) -> HistGradientBoostingClassifier:
        model = HistGradientBoostingClassifier(
            **parameters,
            max_iter=tried.iterations,
            max_features=0.5,
            early_stopping=True,
            n_iter_no_change=tried.patience,
            random_state=problem.seed,
        )
        # The built-in early stopping would split the training rows at random.
        return model.fit(train, problem.churned, X_val=selection, y_val=problem.selection_churned)

    auc, parameters, model = search(problem, selection, [_FIRST, *drawn], boosting)
    _snap_thresholds(model)
    return Found((("prepare", preparation), ("model", model)), {**parameters, "iterations": model.n_iter_}, auc)


def _snap_thresholds(model: HistGradientBoostingClassifier) -> None:
    """Round every threshold down to float32: no float32 input changes sides, and ONNX branches alike."""
    for (tree,) in model._predictors:
        exact = tree.nodes["num_threshold"]
        rounded = exact.astype(np.float32)
        down = np.nextafter(rounded, np.float32(-np.inf))
        tree.nodes["num_threshold"] = np.where(rounded > exact, down, rounded)
