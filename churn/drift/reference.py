"""What a model learned with, prepared once for comparison with every window."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from churn.drift.two_samples import Floats
from churn.features.catalogue import Feature, FeatureKind

SCORE = "score"
BINS = 10
_CATEGORIES = 30
"""Categories counted one by one; rarer known ones share a bin."""


@dataclass(frozen=True)
class Reference:
    """A column of the reference.

    Attributes:
        values: numbers, sorted, none missing; empty for a category.
        edges: bin i of a number holds (edges[i−1], edges[i]]; the last bin of all counts what is missing.
        categories: those with a bin of their own; after their bins come other known ones, unknown ones, missing.
        known: every category.
        counts: rows by bin.
        weight: what a row counts for: less than 1 where rows may repeat a customer.
    """

    name: str
    kind: FeatureKind
    values: Floats
    edges: Floats
    categories: tuple[str, ...]
    known: frozenset[str]
    counts: Floats
    weight: float

    @property
    def rows(self) -> int:
        """Rows of the reference."""
        return int(self.counts.sum())

    @property
    def missing(self) -> float:
        """Share of rows without a value."""
        return float(self.counts[-1] / max(self.rows, 1))

    @property
    def scale(self) -> float | None:
        """Median size of the numbers that are not nought; none where all of them are."""
        return scale_of(self.values)

    def counted(self, column: pl.Series) -> Floats:
        """Count a column's rows by bin."""
        if self.kind == "numeric":
            return _counted(numbers_of(column), self.edges, len(column))
        position = {name: i for i, name in enumerate(self.categories)}
        found = column.cast(pl.String).value_counts(name="rows")
        counts = np.zeros(len(self.categories) + 3)
        for value, rows in found.rows():
            place = -1 if value is None else position.get(value, -3 if value in self.known else -2)
            counts[place] += rows
        return counts


def reference_of(
    frame: pl.DataFrame, catalogue: Sequence[Feature], scores: Floats, *, cutoffs: int = 1
) -> tuple[Reference, ...]:
    """Prepare the reference of a bundle: its features, and its scores as one more column.

    Args:
        frame: the bundle's `reference.parquet`.
        catalogue: its features.
        scores: what the model says about customers it has not learned from, or about `frame` where there are none.
        cutoffs: training cutoffs; a customer may stand in the reference once for each, so a row counts for 1/cutoffs.
    """
    columns = [_reference(feature, frame[feature.name], 1 / cutoffs) for feature in catalogue]
    return (*columns, _reference(Feature(SCORE, "numeric", "probability of churn"), pl.Series(scores), 1.0))


def numbers_of(column: pl.Series) -> Floats:
    """Return the numbers of a column, sorted, without what is missing."""
    values = column.cast(pl.Float64).drop_nulls().to_numpy()
    return np.sort(values[~np.isnan(values)])


def scale_of(values: Floats) -> float | None:
    """Return the median size of numbers that are finite and not nought; none without any."""
    sizes = np.abs(values[np.isfinite(values) & (values != 0)])
    return float(np.median(sizes)) if len(sizes) else None


def _reference(feature: Feature, column: pl.Series, weight: float) -> Reference:
    nothing = np.empty(0)
    if feature.kind == "numeric":
        values = numbers_of(column)
        edges = _edges(values)
        counts = _counted(values, edges, len(column))
        return Reference(feature.name, "numeric", values, edges, (), frozenset(), counts, weight)
    found = column.cast(pl.String).drop_nulls().value_counts(sort=False, name="rows")
    ranked = sorted(found.rows(), key=lambda row: (-row[1], row[0]))
    kept = tuple(name for name, _ in ranked[:_CATEGORIES])
    known = frozenset(name for name, _ in ranked)
    empty = Reference(feature.name, "categorical", nothing, nothing, kept, known, nothing, weight)
    return Reference(feature.name, "categorical", nothing, nothing, kept, known, empty.counted(column), weight)


def _edges(values: Floats) -> Floats:
    """Return the deciles; a value that fills a whole bin gets a bin of its own, closed on both sides."""
    if not len(values):
        return values
    deciles = np.quantile(values, np.arange(1, BINS) / BINS, method="inverted_cdf")
    often = deciles[1:][deciles[1:] == deciles[:-1]]
    return np.unique(np.concatenate([deciles, np.nextafter(often, -np.inf)]))


def _counted(values: Floats, edges: Floats, rows: int) -> Floats:
    bins = np.diff(np.searchsorted(values, edges, side="right"), prepend=0, append=len(values))
    return np.append(bins, rows - len(values)).astype(np.float64)
