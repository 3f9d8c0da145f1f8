"""From single windows to an alarm: in k of the last n, and large over all of them together."""

from collections.abc import Sequence

import numpy as np

from churn.drift.reference import Reference
from churn.drift.settings import DriftSettings
from churn.drift.two_samples import Floats, binned_ks_distance, share_distance, shares, stability_index
from churn.drift.window import WindowDrift
from churn.frozen import Frozen


class Drift(Frozen):
    """A column over the last windows.

    Attributes:
        flagged: windows that were flagged.
        tested: windows with enough customers.
        effect: distance from the reference of all windows together, as far as bins show it.
        psi: population stability index of all windows together.
        missing: share of missing values, all windows together.
        unknown: share of unknown categories, all windows together.
        persistent: this is an alarm.
        shares: of the customers by bin, all windows together; missing ones stand last.
        shares_before: the same of the reference.
    """

    name: str
    flagged: int
    tested: int
    effect: float
    psi: float
    missing: float
    missing_before: float
    unknown: float
    persistent: bool
    shares: tuple[float, ...]
    shares_before: tuple[float, ...]


def drifts(
    references: Sequence[Reference], windows: Sequence[WindowDrift], settings: DriftSettings
) -> tuple[Drift, ...]:
    """Judge every column over the last n complete windows; those with too few customers count for nothing.

    Windows weigh alike, however many customers they have. What comes and goes with the hour of the day is flagged in
    single windows and cancels out over windows that make a whole day: there the distance of all of them together stays
    small.

    Args:
        references: the columns.
        windows: complete windows of one bundle, oldest first.
        settings: k, n and the sizes that matter.
    """
    tested = [window for window in windows[-settings.windows :] if window.tested(settings)]
    return tuple(_drift(reference, tested, settings) for reference in references)


def _drift(reference: Reference, tested: Sequence[WindowDrift], settings: DriftSettings) -> Drift:
    seen = [window.column(reference.name) for window in tested]
    flagged = sum(column.flagged for column in seen)
    together = _together(reference, [np.array(column.counts, dtype=np.float64) for column in seen])
    before, rows = reference.counts, max(float(together.sum()), 1.0)
    distance = binned_ks_distance if reference.kind == "numeric" else share_distance
    known = before[:-1].sum() and together[:-1].sum()
    effect = distance(before[:-1], together[:-1]) if known else 0.0
    psi = stability_index(before, together) if seen else 0.0
    missing = float(together[-1]) / rows
    unknown = float(together[-2]) / rows if reference.kind == "categorical" else 0.0
    large = (
        (effect >= settings.min_effect and psi >= settings.min_psi)
        or (bool(seen) and abs(missing - reference.missing) >= settings.min_missing)
        or unknown >= settings.min_unknown
    )
    return Drift(
        name=reference.name,
        flagged=flagged,
        tested=len(seen),
        effect=effect,
        psi=psi,
        missing=missing,
        missing_before=reference.missing,
        unknown=unknown,
        persistent=large and flagged >= settings.flagged,
        shares=tuple(float(share) for share in shares(together).round(4)),
        shares_before=tuple(float(share) for share in shares(before).round(4)),
    )


def _together(reference: Reference, counts: Sequence[Floats]) -> Floats:
    """Add windows up with equal weights, scaled to the rows of a mean window."""
    if not counts:
        return np.zeros(len(reference.counts))
    mean = sum(float(one.sum()) for one in counts) / len(counts)
    result: Floats = np.sum([one / max(float(one.sum()), 1.0) for one in counts], axis=0) / len(counts) * mean
    return result
