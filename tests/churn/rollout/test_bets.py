"""The bets against a slow, direct reading of the formula, and what must hold for any data."""

import math
from typing import Any, Literal

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from churn.rollout.baseline import Promise
from churn.rollout.bets import BINARY, GRADED, GRID, Bet, mixed, payoffs
from churn.rollout.judge import Judge
from churn.rollout.verdict import RolloutVerdict
from tests.rollout import BASELINE, HALF, SETTINGS, START, judged, traffic

Side = Literal["more", "less"]
Unit = tuple[bool, float]

probability = st.floats(0.02, 0.98)
units = st.lists(st.tuples(st.booleans(), st.integers(0, 20).map(lambda i: i / 20)), max_size=60)


def slow_log_e(side: Side, delta: float, m: float, blocks: list[tuple[float, list[Unit]]]) -> float:
    """Multiply wealth unit by unit and stake by stake, as docs/rollout.md writes it."""
    total = 0.0
    for j in range(10):
        product = 1.0
        for w, seen in blocks:
            worst = {"more": max(m / w, (1 - m) / (1 - w)) + delta, "less": max((1 - m) / w, m / (1 - w)) - delta}
            stake = 0.95 * 2**-j / worst[side]
            for canary, y in seen:
                phi = (y - m) / w if canary else -(y - m) / (1 - w)
                product *= 1 + stake * (phi - delta if side == "more" else delta - phi)
        total += product
    return math.log(total / 10)


def counted(seen: list[Unit]) -> Any:
    counts = np.zeros((2, GRID + 1), dtype=np.int64)
    for canary, y in seen:
        counts[int(canary), round(y * GRID)] += 1
    return counts


@given(
    side=st.sampled_from(["more", "less"]),
    delta=st.floats(-0.2, 0.2),
    m=st.floats(0, 0.9),
    blocks=st.lists(st.tuples(probability, units), max_size=3),
)
def test_counts_give_what_the_formula_gives(
    side: Side, delta: float, m: float, blocks: list[tuple[float, list[Unit]]]
) -> None:
    bet = Bet(side, delta, m)

    wealth = sum((bet.wealth(w, GRADED, counted(seen)) for w, seen in blocks), np.zeros(10))

    assert float(mixed(wealth)) == pytest.approx(slow_log_e(side, delta, m, blocks), abs=1e-8)


@given(w=probability, m=st.floats(0, 1), stable=st.floats(0, 1), canary=st.floats(0, 1))
def test_what_a_unit_pays_is_the_difference_on_average_whatever_the_baseline(
    w: float, m: float, stable: float, canary: float
) -> None:
    pays = payoffs(w, np.array([stable, canary]), m)

    assert (1 - w) * pays[0, 0] + w * pays[1, 1] == pytest.approx(canary - stable, abs=1e-9)


@given(
    side=st.sampled_from(["more", "less"]), w=probability, m=st.floats(0, 1), delta=st.floats(-0.5, 0.5), p=probability
)
def test_nobody_gains_on_average_where_the_hypothesis_holds(
    side: Side, w: float, m: float, delta: float, p: float
) -> None:
    canary = min(max(p + delta, 0.0), 1.0)
    stable = canary - delta
    if not 0 <= stable <= 1:
        return
    growth = np.exp(Bet(side, delta, m).growth(w, BINARY))

    expected = (1 - w) * ((1 - stable) * growth[0, 0] + stable * growth[0, 1])
    expected = expected + w * ((1 - canary) * growth[1, 0] + canary * growth[1, 1])

    assert expected == pytest.approx(np.ones(10), abs=1e-9)


@given(w=probability, m=st.floats(0, 1), delta=st.floats(-0.5, 0.5), side=st.sampled_from(["more", "less"]))
def test_a_stake_never_loses_everything(w: float, m: float, delta: float, side: Side) -> None:
    assert np.isfinite(Bet(side, delta, m).growth(w, GRADED)).all()


def figures(verdict: RolloutVerdict) -> list[Any]:
    return [(m.metric, m.log_e, m.difference, m.estimate, m.low, m.high, m.counts) for m in verdict.evidence.metrics]


@settings(max_examples=15)
@given(cuts=st.lists(st.integers(0, 3_000), max_size=6), seed=st.integers(0, 5))
def test_however_often_one_looks_the_wealth_is_the_same(cuts: list[int], seed: int) -> None:
    requests = traffic(3_000, customers=700, canary_error=0.03, constant=0.02, seed=seed)
    bench = Judge(SETTINGS, BASELINE, Promise())

    for start, end in zip([0, *sorted(cuts)], [*sorted(cuts), 3_000], strict=True):
        bench.add(requests[start:end])
        bench.verdict(HALF, since=START, now=START)

    verdict, whole = bench.verdict(HALF, since=START, now=START), judged(requests)
    assert figures(verdict) == figures(whole)
    assert verdict.evidence.customers == whole.evidence.customers
    assert verdict.evidence.failures_in_a_row == whole.evidence.failures_in_a_row
    assert verdict.evidence.sample_ratio_log_odds == whole.evidence.sample_ratio_log_odds


@settings(max_examples=15)
@given(seed=st.integers(0, 50), share=st.floats(0.0, 1.0), count=st.integers(0, 25_000))
def test_worse_outcomes_never_turn_a_rollback_into_a_promotion(seed: int, share: float, count: int) -> None:
    before = traffic(count, canary_error=0.02, seed=seed)
    hit = pl.Series(np.random.default_rng(seed).random(count) < share)
    worse = before.with_columns(failed=pl.col("failed") | (pl.col("canary") & hit))

    first, second = judged(before), judged(worse)

    assert not (first.decision == "ROLLBACK" and second.decision == "PROMOTE")


FAULTS = st.sampled_from(
    [
        {"failed": pl.lit(True)},
        {"failed": pl.lit(None, pl.Boolean)},
        {"score": pl.lit(float("nan"))},
        {"score": pl.lit(None, pl.Float64)},
        {"score": pl.lit(2.0)},
        {"score": pl.lit(0.5)},
        {"seconds": pl.lit(float("nan"))},
        {"seconds": pl.lit(None, pl.Float64)},
        {"seconds": pl.col("seconds") * 3},
        {"contacted": pl.lit(None, pl.Boolean)},
        {"contacted": pl.lit(True)},
        {"expected_score": pl.lit(None, pl.Float64)},
        {"weight": pl.lit(float("nan"))},
        {"canary": pl.lit(None, pl.Boolean)},
        {"canary": pl.lit(False)},
    ]
)


@settings(max_examples=40)
@given(fault=FAULTS, count=st.sampled_from([0, 1, 30, 3_000, 25_000]), seed=st.integers(0, 20))
def test_no_fault_ever_promotes(fault: dict[str, pl.Expr], count: int, seed: int) -> None:
    requests = traffic(count, seed=seed).with_columns(
        **{name: pl.when("canary").then(value).otherwise(name) for name, value in fault.items()}
    )

    assert judged(requests).decision != "PROMOTE"


@settings(max_examples=10)
@given(seed=st.integers(0, 20), factor=st.sampled_from([0.001, 1_000.0]))
def test_the_unit_of_time_does_not_matter(seed: int, factor: float) -> None:
    requests = traffic(2_000, slower=1.3, seed=seed)
    scaled = BASELINE.model_copy(update={"slow": tuple(factor * threshold for threshold in BASELINE.slow)})
    in_seconds, in_factors = (
        SETTINGS.model_copy(update={"latency_allowance": unit * SETTINGS.latency_allowance}) for unit in (1, factor)
    )
    bench = Judge(in_factors, scaled, Promise())
    bench.add(requests.with_columns(pl.col("seconds") * factor))

    assert figures(bench.verdict(HALF, since=START, now=START)) == figures(judged(requests, settings=in_seconds))
