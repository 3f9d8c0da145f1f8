"""Curves of a report, thin enough to draw and to keep."""

import numpy as np

from churn.evaluation.metrics import Scored, bin_starts
from churn.frozen import Frozen

_POINTS = 120


class Curve(Frozen):
    """Points of a line, from left to right."""

    x: tuple[float, ...]
    y: tuple[float, ...]


class CalibrationBin(Frozen):
    """Customers with neighbouring scores: what was predicted and what came, both as shares."""

    predicted: float
    observed: float
    rows: int


def roc_curve(scored: Scored) -> Curve:
    """Return the share of churned customers found (y) by the share of staying ones contacted for nothing (x)."""
    hits, misses = _counts(scored)
    return _thin(misses / max(misses[-1], 1), hits / max(hits[-1], 1))


def pr_curve(scored: Scored) -> Curve:
    """Return precision (y) by recall (x)."""
    hits, misses = _counts(scored)
    return _thin(hits[1:] / max(hits[-1], 1), hits[1:] / (hits[1:] + misses[1:]))


def calibration_bins(scored: Scored) -> tuple[CalibrationBin, ...]:
    """Return at most ten bins of equal size, lowest scores first."""
    order = np.argsort(scored.score, kind="stable")
    starts = bin_starts(len(order))
    return tuple(
        CalibrationBin(
            predicted=float(scored.score[rows].mean()), observed=float(scored.churned[rows].mean()), rows=len(rows)
        )
        for rows in np.split(order, starts[1:])
    )


def _counts(scored: Scored) -> tuple[np.ndarray, np.ndarray]:
    """Return churned and staying customers among those with the highest scores; equal scores come together."""
    order = np.argsort(-scored.score, kind="stable")
    last = np.flatnonzero(np.diff(scored.score[order], append=-np.inf))
    hits = np.cumsum(scored.churned[order])[last]
    return np.concatenate([[0], hits]), np.concatenate([[0], last + 1 - hits])


def _thin(x: np.ndarray, y: np.ndarray) -> Curve:
    kept = np.unique(np.linspace(0, len(x) - 1, min(_POINTS, len(x))).astype(np.intp))
    return Curve(x=tuple(map(float, x[kept])), y=tuple(map(float, y[kept])))
