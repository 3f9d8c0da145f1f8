"""Scores that mean what they say: a sigmoid fitted on customers the model has not seen."""

import numpy as np
from numpy.typing import NDArray
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator

from churn.training.estimators import Classifier, Matrix


def calibrate(model: Classifier, matrix: Matrix, churned: NDArray[np.bool_]) -> CalibratedClassifierCV:
    """Return the fitted classifier with a sigmoid on top, fitted to `matrix` alone (Platt, 1999)."""
    calibrated = CalibratedClassifierCV(FrozenEstimator(model), method="sigmoid").fit(matrix, churned)
    # What keeps the model from being fitted again has done its work, and has no ONNX form.
    calibrated.estimator = model
    for member in calibrated.calibrated_classifiers_:
        member.estimator = model
    return calibrated
