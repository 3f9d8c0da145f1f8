"""The first half of a candidate: from raw feature columns to a matrix without anything a model cannot take."""

from collections.abc import Sequence

from sklearn.compose import ColumnTransformer
from sklearn.feature_selection import VarianceThreshold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from churn.features.catalogue import Feature
from churn.training.categories import Categories
from churn.training.numbers import Numbers


def prepare(catalogue: Sequence[Feature], *, fill: bool, scale: bool) -> Pipeline:
    """Return the unfitted preparation; what never varies in training is left out.

    Args:
        catalogue: the features, in the order of the frame.
        fill: replace missing numbers; trees that branch on them do without.
        scale: logarithms and unit variance; never for trees, whose ONNX thresholds would suffer.
    """
    numeric = [feature.name for feature in catalogue if feature.kind == "numeric"]
    categorical = [feature.name for feature in catalogue if feature.kind == "categorical"]
    numbers = Numbers(fill=fill, log=scale)
    blocks = [
        ("numbers", make_pipeline(numbers, StandardScaler()) if scale else numbers, numeric),
        ("categories", Categories(), categorical),
    ]
    return Pipeline(
        [
            (
                "columns",
                ColumnTransformer(
                    [block for block in blocks if block[2]], sparse_threshold=0, verbose_feature_names_out=False
                ),
            ),
            ("varying", VarianceThreshold()),
        ]
    )
