"""Metrics of scored rows under many row weights at once, so that a bootstrap is a few matrix operations."""

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from churn.evaluation.costs import Costs

Floats = NDArray[np.float64]
Metric = Literal[
    "roc_auc",
    "pr_auc",
    "brier",
    "calibration_error",
    "accuracy",
    "precision",
    "recall",
    "f1",
    "lift_at_10",
    "capture_at_10",
    "profit_per_customer",
]
METRICS: tuple[Metric, ...] = get_args(Metric)

TOP_SHARE = 0.1
CALIBRATION_BINS = 10


@dataclass(frozen=True)
class Scored:
    """Rows with their outcome and the probability a model gave them, and the score from which on it would act."""

    churned: NDArray[np.bool_]
    score: Floats
    threshold: float

    def where(self, rows: NDArray[np.bool_]) -> "Scored":
        """Return some of the rows."""
        return Scored(self.churned[rows], self.score[rows], self.threshold)


def roc_auc(churned: NDArray[np.bool_], score: Floats) -> float:
    """Return the chance that a customer who churned scores above one who stayed; NaN where one side is missing."""
    return float(_Ranked.of(churned, score).tally(np.ones((1, len(score)))).roc_auc[0])


def measure(
    scored: Scored, weights: Floats, costs: Costs, metrics: Collection[Metric] = METRICS
) -> dict[Metric, Floats]:
    """Return metrics for every row of `weights` (resamples × rows); NaN where one is undefined.

    PR-AUC is average precision. Lift and capture look at the 10 % with the highest scores; rows with the same score
    count in proportion. Calibration error is the mean distance of score and outcome over ten bins of equal size
    (ECE). Profit is in the currency of the costs, for each customer scored.

    Args:
        scored: the rows.
        weights: how often each of them counts.
        costs: what a contact costs and brings.
        metrics: those to compute; none depends on the others.
    """
    ranked = _Ranked.of(scored.churned, scored.score)
    measured = _Measured(ranked, weights[:, ranked.order], scored.threshold, costs)
    with np.errstate(invalid="ignore", divide="ignore"):
        return {name: getattr(measured, name) for name in metrics}


@dataclass(frozen=True)
class _Ranked:
    """Rows from the highest score to the lowest; `starts` are the first rows of equal scores."""

    order: NDArray[np.intp]
    churned: Floats
    score: Floats
    starts: NDArray[np.intp]

    @classmethod
    def of(cls, churned: NDArray[np.bool_], score: Floats) -> "_Ranked":
        order = np.argsort(-score, kind="stable")
        ranked = score[order]
        starts = np.flatnonzero(np.diff(ranked, prepend=np.inf)) if len(ranked) else np.empty(0, dtype=np.intp)
        return cls(order, churned[order].astype(np.float64), ranked, starts)

    def tally(self, w: Floats) -> "_Tally":
        """Take weights in the order of the ranks."""
        positive = w * self.churned
        if len(self.starts) == len(self.order):
            return _Tally(positive, w)
        return _Tally(np.add.reduceat(positive, self.starts, axis=1), np.add.reduceat(w, self.starts, axis=1))


@dataclass(frozen=True)
class _Measured:
    """The metrics by their names, each computed when it is asked for.

    Attributes:
        w: weights in the order of the ranks, one line for each resample.
    """

    ranked: _Ranked
    w: Floats
    threshold: float
    costs: Costs

    @cached_property
    def _tally(self) -> "_Tally":
        return self.ranked.tally(self.w)

    @cached_property
    def _acted(self) -> int:
        return int(np.searchsorted(-self.ranked.score, -self.threshold, side="right"))

    @cached_property
    def _hits(self) -> Floats:
        return (self.w[:, : self._acted] @ self.ranked.churned[: self._acted]).astype(np.float64)

    @cached_property
    def _contacted(self) -> Floats:
        return np.asarray(self.w[:, : self._acted].sum(axis=1))

    @cached_property
    def _top(self) -> Floats:
        return np.asarray(TOP_SHARE * self._tally.total)

    @cached_property
    def _captured(self) -> Floats:
        return self._tally.captured(self._top)

    @property
    def roc_auc(self) -> Floats:
        return self._tally.roc_auc

    @property
    def pr_auc(self) -> Floats:
        return self._tally.pr_auc

    @property
    def brier(self) -> Floats:
        return np.asarray(self.w @ (self.ranked.score - self.ranked.churned) ** 2 / self._tally.total)

    @property
    def calibration_error(self) -> Floats:
        return np.asarray(_calibration_error(self.ranked, self.w) / self._tally.total)

    @property
    def accuracy(self) -> Floats:
        positives, total = self._tally.positives, self._tally.total
        return np.asarray((self._hits + total - positives - (self._contacted - self._hits)) / total)

    @property
    def precision(self) -> Floats:
        return np.asarray(self._hits / self._contacted)

    @property
    def recall(self) -> Floats:
        return np.asarray(self._hits / self._tally.positives)

    @property
    def f1(self) -> Floats:
        return np.asarray(2 * self._hits / (self._contacted + self._tally.positives))

    @property
    def lift_at_10(self) -> Floats:
        return np.asarray(self._captured / self._top / (self._tally.positives / self._tally.total))

    @property
    def capture_at_10(self) -> Floats:
        return np.asarray(self._captured / self._tally.positives)

    @property
    def profit_per_customer(self) -> Floats:
        earned = self.costs.reward * self._hits - self.costs.contact_cost * self._contacted
        return np.asarray(earned / self._tally.total)


class _Tally:
    """Weights of the churned and of all rows by score, highest first; one line for each resample."""

    def __init__(self, positive: Floats, every: Floats) -> None:
        self._positive, self._every = positive, every
        self._above = positive.cumsum(axis=1)
        self._reached = every.cumsum(axis=1)
        self.positives, self.total = self._above[:, -1], self._reached[:, -1]

    @property
    def roc_auc(self) -> Floats:
        won = ((self._every - self._positive) * (self._above - self._positive / 2)).sum(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(won / (self.positives * (self.total - self.positives)))

    @property
    def pr_auc(self) -> Floats:
        # A resample may leave out the highest scores: no rows yet, no precision, and no weight for it either.
        precision = self._above / np.where(self._reached > 0, self._reached, 1)
        with np.errstate(invalid="ignore"):
            return np.asarray((self._positive * precision).sum(axis=1) / self.positives)

    def captured(self, top: Floats) -> Floats:
        last = max(np.searchsorted(reached, most) for reached, most in zip(self._reached, top, strict=True)) + 1
        every = self._every[:, :last]
        taken = np.clip(top[:, None] - (self._reached[:, :last] - every), 0, every)
        share = taken / np.where(every > 0, every, 1)
        return np.asarray((share * self._positive[:, :last]).sum(axis=1))


def _calibration_error(ranked: _Ranked, w: Floats) -> Floats:
    edges = bin_starts(len(ranked.score))
    return np.asarray(np.abs(np.add.reduceat(w * (ranked.score - ranked.churned), edges, axis=1)).sum(axis=1))


def bin_starts(rows: int) -> NDArray[np.intp]:
    """Return where each of at most `CALIBRATION_BINS` bins of equal size starts in sorted rows."""
    return np.unique(np.linspace(0, rows, CALIBRATION_BINS, endpoint=False).astype(np.intp))
