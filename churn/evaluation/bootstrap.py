"""Intervals by resampling customers: rows of one customer stay together."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from threadpoolctl import threadpool_limits

from churn.evaluation.costs import Costs
from churn.evaluation.metrics import METRICS, Floats, Metric, Scored, measure
from churn.frozen import Frozen

_CELLS = 4_000_000
"""Weights held at a time, 8 bytes each."""


class Estimate(Frozen):
    """A figure and the interval of its resamples; none where it is undefined, such as AUC with one class only."""

    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Draws:
    """Metrics on the rows themselves and on every resample."""

    value: dict[Metric, float]
    resampled: dict[Metric, Floats]

    def estimates(self, confidence: float) -> dict[Metric, Estimate]:
        """Return every metric that was measured with its interval."""
        return {name: _estimate(value, self.resampled[name], confidence) for name, value in self.value.items()}

    def minus(self, other: "Draws", metrics: Sequence[Metric], confidence: float) -> dict[Metric, Estimate]:
        """Return the differences; both sides saw the same resamples, so the interval is that of a paired test."""
        return {
            name: _estimate(
                self.value[name] - other.value[name], self.resampled[name] - other.resampled[name], confidence
            )
            for name in metrics
        }

    def share_above(self, other: "Draws", metric: Metric) -> float:
        """Return the share of the resamples in which the metric is defined and above that of `other`."""
        return float((self.resampled[metric] > other.resampled[metric]).mean())


def bootstrap(
    models: Sequence[Scored],
    customers: pl.Series,
    costs: Costs,
    rounds: int,
    seed: int,
    metrics: Collection[Metric] = METRICS,
) -> tuple[Draws, ...]:
    """Measure every model on all rows and on `rounds` resamples of their customers, which all models share.

    The same customers, rounds and seed give the same resamples, whatever is measured on them. All of it runs on one
    thread: the order in which several add up would reach the last bits, and to wait for each other costs them more than
    they win.
    """
    with threadpool_limits(limits=1):
        return _bootstrapped(models, customers, costs, rounds, seed, metrics)


def _bootstrapped(
    models: Sequence[Scored], customers: pl.Series, costs: Costs, rounds: int, seed: int, metrics: Collection[Metric]
) -> tuple[Draws, ...]:
    # Not by way of Categorical, whose codes depend on what this process has seen before.
    codes = customers.rank("dense").to_numpy().astype(np.intp) - 1
    people = int(codes.max()) + 1
    draw = np.random.default_rng(seed)
    step = max(1, _CELLS // len(codes))
    parts: list[list[dict[Metric, Floats]]] = [[] for _ in models]
    for first in range(0, rounds, step):
        counts = [
            np.bincount(draw.integers(people, size=people), minlength=people) for _ in range(min(step, rounds - first))
        ]
        weights = np.array(counts, dtype=np.float64)[:, codes]
        for scored, measured in zip(models, parts, strict=True):
            measured.append(measure(scored, weights, costs, metrics))
    every = np.ones((1, len(codes)))
    return tuple(
        Draws(
            {name: float(values[0]) for name, values in measure(scored, every, costs, metrics).items()},
            {name: np.concatenate([part[name] for part in measured]) for name in metrics},
        )
        for scored, measured in zip(models, parts, strict=True)
    )


def _estimate(value: float, resampled: Floats, confidence: float) -> Estimate:
    defined = resampled[~np.isnan(resampled)]
    if np.isnan(value) or len(defined) * 2 < len(resampled):
        return Estimate(value=None if np.isnan(value) else value, low=None, high=None)
    low, high = np.quantile(defined, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Estimate(value=value, low=float(low), high=float(high))
