"""Categories as columns of 0 and 1, in operations that ONNX repeats exactly."""

from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from churn.training.numbers import names_of


class Categories(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """One column for each frequent category; a rare one, or one never seen, is 0 in all of them.

    scikit-learn's own encoder loses the order of its columns in ONNX once rare categories are grouped.

    Args:
        min_share: share of the rows from which on a category is frequent.
    """

    def __init__(self, *, min_share: float = 0.005) -> None:
        self.min_share = min_share

    def fit(self, X: ArrayLike, y: object = None) -> Self:  # noqa: N803
        """Learn the frequent categories of every column of strings."""
        x = np.asarray(X, dtype=object)
        self.frequent_: list[tuple[str, ...]] = []
        for column in x.T:
            values, counts = np.unique(column.astype(str), return_counts=True)
            frequent = values[counts >= self.min_share * len(x)]
            # Never none at all: ONNX cannot join no columns.
            self.frequent_.append(tuple((frequent if len(frequent) else values[[counts.argmax()]]).tolist()))
        self.n_features_in_ = x.shape[1]
        return self

    def transform(self, X: ArrayLike) -> NDArray[np.float32]:  # noqa: N803
        """Return the columns of 0 and 1, feature by feature, categories in alphabetical order."""
        check_is_fitted(self)
        x = np.asarray(X, dtype=object)
        blocks = [x[:, [i]] == np.array(frequent, dtype=object)[None, :] for i, frequent in enumerate(self.frequent_)]
        return np.hstack(blocks).astype(np.float32)

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> NDArray[np.object_]:
        """Return the names of the columns, such as `plan=gold`."""
        names = names_of(input_features, self.n_features_in_)
        return np.array(
            [
                f"{name}={category}"
                for name, frequent in zip(names, self.frequent_, strict=True)
                for category in frequent
            ],
            dtype=object,
        )
