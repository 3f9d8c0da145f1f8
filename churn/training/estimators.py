"""What is asked of scikit-learn's objects, which come without types."""

from typing import Any, Protocol

from numpy.typing import NDArray

from churn.evaluation.metrics import Floats

Matrix = NDArray[Any]


class Transformer(Protocol):
    """A fitted step before the last one."""

    def transform(self, X: object) -> Matrix:  # noqa: N803
        """Return the rows in another form."""
        ...


class Classifier(Protocol):
    """A fitted last step, or a whole pipeline."""

    def predict_proba(self, X: object) -> Floats:  # noqa: N803
        """Return one column of probabilities for each class, staying first."""
        ...


def scores_of(model: Classifier, matrix: object) -> Floats:
    """Return the probability of churn of each row."""
    return model.predict_proba(matrix)[:, 1].astype("float64")
