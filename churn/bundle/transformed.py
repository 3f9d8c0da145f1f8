"""A sample of what the classifier itself sees: after imputation, encoding, scaling and selection."""

from collections.abc import Sequence

import numpy as np
import polars as pl
from sklearn.pipeline import Pipeline

from churn.features.catalogue import Feature
from churn.training.frames import features_of

REFERENCE_ROW = "reference_row"


def transformed_sample(
    pipeline: Pipeline, catalogue: Sequence[Feature], reference: pl.DataFrame, rows: int
) -> pl.DataFrame:
    """Return rows spread evenly over the reference as float32, one column for each the classifier takes.

    Args:
        pipeline: the fitted candidate; everything before its last step is applied.
        catalogue: the features it takes.
        reference: raw training rows; the column `reference_row` says which of them a row was made from, from 0 on.
        rows: most rows to return.
    """
    chosen = np.unique(np.linspace(0, reference.height - 1, min(rows, reference.height)).astype(np.uint32))
    before = pipeline[:-1]
    matrix = np.asarray(before.transform(features_of(reference[chosen], catalogue)), dtype=np.float32)
    names = _names(before, matrix.shape[1])
    return pl.DataFrame({REFERENCE_ROW: chosen, **{name: matrix[:, i] for i, name in enumerate(names)}})


def _names(before: Pipeline, columns: int) -> list[str]:
    """Return the names of the columns; numbers where a step of somebody else cannot say what it makes."""
    try:
        return [str(name) for name in before.get_feature_names_out()]
    except (AttributeError, ValueError):
        return [f"column_{number}" for number in range(columns)]
