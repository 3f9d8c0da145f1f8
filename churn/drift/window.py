"""One window beside the reference: a test, a distance and the rates of what is missing or unknown, by column."""

from collections.abc import Sequence
from datetime import datetime

import numpy as np
import polars as pl

from churn.drift.reference import Reference, numbers_of, scale_of
from churn.drift.settings import DriftSettings
from churn.drift.two_samples import (
    adjusted,
    chi_square_p_value,
    ks_distance,
    ks_p_value,
    share_distance,
    stability_index,
)
from churn.features.catalogue import FeatureKind
from churn.frozen import Frozen

_FEW_SIZES = 50
"""Numbers that are not nought, below which their median size says little."""


class ColumnDrift(Frozen):
    """A column in one window.

    Attributes:
        effect: distance from the reference's values; none where either side has no value.
        psi: population stability index over the bins, missing values among them.
        missing: share of customers without a value.
        missing_before: the same in the reference.
        unknown: share of customers in a category that the reference has not.
        scale: median size of the numbers by that of the reference; none where either has too few that are not nought.
        p_value: that the window is drawn like the reference: of values and missing ones together.
        adjusted: the same for all columns together, see `two_samples.adjusted`; none in a window with too few rows.
        flagged: significant and large: both are needed.
        broken: why the input is broken, if it is.
        counts: customers by bin.
    """

    name: str
    kind: FeatureKind
    effect: float | None
    psi: float
    missing: float
    missing_before: float
    unknown: float
    scale: float | None
    p_value: float
    adjusted: float | None
    flagged: bool
    broken: str | None
    counts: tuple[int, ...]


class WindowDrift(Frozen):
    """Every column in one window; `rows` are customers, each with one row."""

    start: datetime
    end: datetime
    rows: int
    columns: tuple[ColumnDrift, ...]

    def column(self, name: str) -> ColumnDrift:
        """Return a column by name."""
        return next(column for column in self.columns if column.name == name)

    def tested(self, settings: DriftSettings) -> bool:
        """Tell whether the window has enough customers to be tested."""
        return self.rows >= settings.min_rows


def measure_window(
    references: Sequence[Reference], frame: pl.DataFrame, start: datetime, end: datetime, settings: DriftSettings
) -> WindowDrift:
    """Compare a window with the reference.

    Args:
        references: the columns to compare.
        frame: one row a customer: several rows of one would be taken for as many witnesses.
        start: begin of the window.
        end: its end, not included.
        settings: thresholds.
    """
    measured = [_measured(reference, frame[reference.name], settings) for reference in references]
    enough = frame.height >= settings.min_rows
    p_values = np.array([column.p_value for column in measured])
    levels = adjusted(p_values).tolist() if enough else [None] * len(measured)
    return WindowDrift(
        start=start,
        end=end,
        rows=frame.height,
        columns=tuple(
            column.model_copy(update={"adjusted": level, "flagged": _flagged(column, level, settings)})
            if level is not None
            else column.model_copy(update={"broken": None})
            for column, level in zip(measured, levels, strict=True)
        ),
    )


def _measured(reference: Reference, column: pl.Series, settings: DriftSettings) -> ColumnDrift:
    counts = reference.counted(column)
    rows = max(len(column), 1)
    before, weight = reference.counts, reference.weight
    p_missing = chi_square_p_value(_present(before) * weight, _present(counts))
    effect: float | None = None
    scale: float | None = None
    if reference.kind == "numeric":
        values, p_values = numbers_of(column), 1.0
        if len(values) and len(reference.values):
            effect = ks_distance(reference.values, values)
            p_values = ks_p_value(effect, len(reference.values) * weight, len(values))
        sizes, usual = scale_of(values), reference.scale
        enough = np.count_nonzero(values) >= _FEW_SIZES and np.count_nonzero(reference.values) >= _FEW_SIZES
        scale = sizes / usual if sizes is not None and usual and enough else None
        unknown = 0.0
    else:
        p_values = chi_square_p_value(before[:-1] * weight, counts[:-1])
        if before[:-1].sum() and counts[:-1].sum():
            effect = share_distance(before[:-1], counts[:-1])
        unknown = float(counts[-2]) / rows
    missing = float(counts[-1]) / rows
    return ColumnDrift(
        name=reference.name,
        kind=reference.kind,
        effect=effect,
        psi=stability_index(before, counts),
        missing=missing,
        missing_before=reference.missing,
        unknown=unknown,
        scale=scale,
        p_value=min(1.0, 2 * min(p_values, p_missing)),
        adjusted=None,
        flagged=False,
        broken=_broken(reference, missing, scale, settings),
        counts=tuple(int(count) for count in counts),
    )


def _present(counts: np.ndarray) -> np.ndarray:
    return np.array([counts[:-1].sum(), counts[-1]])


def _flagged(column: ColumnDrift, level: float, settings: DriftSettings) -> bool:
    moved = (column.effect or 0.0) >= settings.min_effect and column.psi >= settings.min_psi
    gone = abs(column.missing - column.missing_before) >= settings.min_missing
    strange = column.unknown >= settings.min_unknown
    return level <= settings.false_discovery and (moved or gone or strange)


def _broken(reference: Reference, missing: float, scale: float | None, settings: DriftSettings) -> str | None:
    if missing - reference.missing >= settings.broken_missing:
        return f"missing for {missing:.0%} of the customers, {reference.missing:.0%} when the model learned"
    if scale is not None and not 1 / settings.broken_scale < scale < settings.broken_scale:
        return f"{scale:.3g} times as large as when the model learned"
    return None
