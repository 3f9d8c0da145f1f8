"""A rollout over time: what each look saw, small enough to keep, for the live view and for the report."""

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise

from churn.frozen import Frozen
from churn.rollout.metrics import Metric
from churn.rollout.verdict import RolloutDecision, RolloutVerdict


class Bound(Frozen):
    """One metric at one look; `MetricEvidence` says what the figures mean."""

    log_e: float
    estimate: float | None
    low: float | None
    high: float | None


class Look(Frozen):
    """One look at a rollout; requests and customers are those of both tracks since it began, without copies."""

    at: datetime
    step: int
    weight: int
    decision: RolloutDecision
    requests: int
    customers: int
    canary_requests: int
    canary_failed: int
    bounds: dict[Metric, Bound]


def look_of(verdict: RolloutVerdict) -> Look:
    """Return what is kept of a verdict."""
    evidence = verdict.evidence
    return Look(
        at=evidence.at,
        step=evidence.step,
        weight=evidence.weight,
        decision=verdict.decision,
        requests=evidence.stable.requests + evidence.canary.requests,
        customers=evidence.stable.customers + evidence.canary.customers,
        canary_requests=evidence.canary.requests,
        canary_failed=evidence.canary.failed,
        bounds={
            metric.metric: Bound(log_e=metric.log_e, estimate=metric.estimate, low=metric.low, high=metric.high)
            for metric in evidence.metrics
        },
    )


def thinned(history: Sequence[Look], most: int = 240) -> list[Look]:
    """Return at most so many looks, evenly chosen; the first and the last always, and the last of each step."""
    ends = {i for i, (now, after) in enumerate(pairwise(history)) if now.step != after.step}
    evenly = {round(i * (len(history) - 1) / (most - 1)) for i in range(most)} if len(history) > most else None
    return [look for i, look in enumerate(history) if evenly is None or i in evenly or i in ends]
