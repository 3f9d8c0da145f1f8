"""Made-up traffic of a canary rollout: what the judge's tests share."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from churn.rollout.baseline import Baseline, Promise, baseline_of
from churn.rollout.counters import Counters, Signals
from churn.rollout.judge import judge
from churn.rollout.requests import REQUESTS
from churn.rollout.settings import RolloutSettings, RolloutStep
from churn.rollout.verdict import MetricEvidence, RolloutVerdict

START = datetime(2026, 3, 1, tzinfo=UTC)
STEPS = (
    RolloutStep(weight=0, customers=50, cap=5_000, hours=1, proof=False),
    RolloutStep(weight=20, customers=500, cap=50_000, hours=2, proof=False),
    RolloutStep(weight=50, customers=1_000, cap=100_000, hours=4, proof=True),
)
SHADOW, SMALL, HALF = 0, 1, 2
SETTINGS = RolloutSettings(steps=STEPS)


def traffic(
    count: int,
    *,
    weight: float = 0.5,
    seed: int = 1,
    customers: int | None = None,
    error: float = 0.01,
    canary_error: float | None = None,
    slower: float = 1.0,
    higher: float = 0.0,
    constant: float = 0.0,
    start: datetime = START,
) -> pl.DataFrame:
    """Return requests a millisecond apart; customers stick to a track, `customers` none: each request has its own.

    Args:
        count: requests.
        weight: share of the customers on the canary; 0: every request is copied to it as well.
        seed: of everything random; customers' tracks depend on it and not on the weight.
        customers: how many there are.
        error: share of stable's requests that fail.
        canary_error: the same of the canary, else as stable.
        slower: factor of the canary's latency.
        higher: added to the canary's scores.
        constant: share of the canary's scores that are 0.5.
        start: time of the first request.
    """
    draw = np.random.default_rng(seed)
    who = np.arange(count) if customers is None else draw.integers(0, customers, count)
    canary = draw.random(max(int(who.max(initial=0)) + 1, 1))[who] < weight
    fails = np.where(canary, error if canary_error is None else canary_error, error)
    failed = draw.random(count) < fails
    seconds = draw.lognormal(-4, 0.8, count) * np.where(canary, slower, 1.0)
    score = np.clip(draw.beta(2, 6, count) + np.where(canary, higher, 0.0), 0, 1)
    score = np.where(canary & (draw.random(count) < constant), 0.5, score)
    rows = pl.DataFrame(
        {
            "at": [start + timedelta(milliseconds=i) for i in range(count)],
            "customer": [f"c{customer}" for customer in who],
            "canary": canary,
            "weight": np.full(count, weight),
            "failed": failed,
            "seconds": seconds,
            "score": score,
            "contacted": score > 0.35,
            "expected_score": score,
        },
        schema=REQUESTS,
    )
    answered = [pl.when(~pl.col("failed")).then(name).alias(name) for name in ("score", "contacted", "expected_score")]
    rows = rows.with_columns(answered)
    return pl.concat([rows, rows.with_columns(canary=pl.lit(True))]) if weight == 0 else rows


BASELINE: Baseline = baseline_of(traffic(20_000, weight=0, seed=77).filter(~pl.col("canary")), SETTINGS)


def judged(
    requests: pl.DataFrame,
    step: int = HALF,
    *,
    settings: RolloutSettings = SETTINGS,
    promise: Promise | None = None,
    after: timedelta = timedelta(minutes=5),
    counters: Sequence[Counters] = (),
    signals: Signals | None = None,
) -> RolloutVerdict:
    """Judge requests in one look."""
    return judge(
        requests,
        settings=settings,
        baseline=BASELINE,
        promise=promise or Promise(),
        step=step,
        since=START,
        now=START + after,
        counters=counters,
        signals=signals,
    )


def metric(verdict: RolloutVerdict, name: str) -> MetricEvidence:
    """Return the evidence of one metric."""
    return next(evidence for evidence in verdict.evidence.metrics if evidence.metric == name)
