"""Numbers made safe for a model: bounds, missing values and scale, in operations that ONNX repeats exactly."""

from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

Matrix = NDArray[np.float32]


def names_of(given: ArrayLike | None, columns: int) -> NDArray[np.object_]:
    """Return the names of a step's input columns; x0, x1, ... where it was fitted to a matrix without any."""
    return np.array([f"x{i}" for i in range(columns)] if given is None else given, dtype=object)


class Numbers(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Clips every column to the range it had in training, so that no input, infinity included, is out of reach.

    Args:
        fill: replace NaN by the median, and add a column of 0 and 1 for each column that had gaps in training.
        log: take sign(x) * log(1 + |x|), which tames long tails and keeps zero and sign.
    """

    def __init__(self, *, fill: bool = False, log: bool = False) -> None:
        self.fill = fill
        self.log = log

    def fit(self, X: ArrayLike, y: object = None) -> Self:  # noqa: N803
        """Learn range, median and gaps of every column; one without any number counts as zero."""
        x = np.array(X, dtype=np.float32)
        x[~np.isfinite(x)] = np.nan
        gaps = np.isnan(x)
        empty = gaps.all(axis=0)
        x[:, empty] = 0
        self.lower_ = np.nanmin(x, axis=0)
        self.upper_ = np.nanmax(x, axis=0)
        gap = np.nanmedian(x, axis=0) if self.fill else np.where(empty, 0, np.nan)
        self.fill_ = gap.astype(np.float32)
        self.flagged_ = np.flatnonzero(gaps.any(axis=0) & ~empty) if self.fill else np.empty(0, dtype=np.int64)
        self.n_features_in_ = x.shape[1]
        return self

    def transform(self, X: ArrayLike) -> Matrix:  # noqa: N803
        """Return the columns, then one column of 0 and 1 for each flagged one."""
        check_is_fitted(self)
        x = np.asarray(X, dtype=np.float32)
        gaps = np.isnan(x)
        x = np.where(gaps, self.fill_, np.minimum(np.maximum(x, self.lower_), self.upper_))
        if self.log:
            x = np.sign(x) * np.log(np.float32(1) + np.abs(x))
        return np.hstack([x, gaps[:, self.flagged_].astype(np.float32)])

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> NDArray[np.object_]:
        """Return the names of the columns, `recency_days=missing` for one that says where a number was missing."""
        names = names_of(input_features, self.n_features_in_)
        return np.concatenate([names, names[self.flagged_] + "=missing"])
