"""When the data cannot be trusted, the judge decides nothing."""

import polars as pl
import pytest

from churn.rollout.counters import Counters, TrackCounters
from churn.rollout.verdict import RolloutVerdict
from tests.rollout import judged, traffic

GOOD = traffic(25_000)
ON_CANARY = pl.col("canary")


@pytest.mark.parametrize(
    ("requests", "says"),
    [
        (GOOD.clear(), "no request has reached stable"),
        (GOOD.filter(~ON_CANARY).head(5), "no request has reached the canary"),
        (GOOD.filter(ON_CANARY).head(5), "no request has reached stable"),
    ],
)
def test_no_data_is_no_decision(requests: pl.DataFrame, says: str) -> None:
    verdict = judged(requests)

    assert (verdict.decision, verdict.next) == ("INCONCLUSIVE", "wait")
    assert verdict.reason.startswith(says)


@pytest.mark.parametrize("kept", [ON_CANARY, ~ON_CANARY])
def test_an_empty_track_invalidates_the_rollout(kept: pl.Expr) -> None:
    assert judged(GOOD.filter(kept)).decision == "INVALID"


@pytest.mark.parametrize(("weight", "actual"), [(0.5, 0.45), (0.2, 0.5)])
def test_another_split_than_intended_invalidates(weight: float, actual: float) -> None:
    verdict = judged(traffic(4_000, weight=actual).with_columns(weight=pl.lit(weight)))

    assert (verdict.decision, verdict.next) == ("INVALID", "wait")
    assert verdict.reason.startswith("customers are not split as intended")


def test_a_fault_wins_over_doubts_and_both_are_told() -> None:
    skewed = traffic(6_000, weight=0.4, canary_error=0.2).with_columns(weight=pl.lit(0.5))

    verdict = judged(skewed)

    assert verdict.decision == "ROLLBACK"
    assert "the data are in doubt: customers are not split" in verdict.reason


def counters(started: str, stable: int, canary: int, failed: int = 0) -> Counters:
    return Counters(
        stable=TrackCounters(started=started, requests=stable),
        canary=TrackCounters(started=started, requests=canary, failed=failed),
    )


def told(verdict: RolloutVerdict) -> str:
    assert (verdict.decision, verdict.next) == ("INVALID", "wait")
    return verdict.reason


def test_counters_that_agree_with_the_log_change_nothing() -> None:
    canary = GOOD.filter(ON_CANARY).height
    failed = GOOD.filter(ON_CANARY & pl.col("failed")).height
    after = counters("a", 25_000 - canary + 500, canary + 100, failed)

    assert judged(GOOD, counters=[counters("a", 500, 100), after]).decision == "PROMOTE"


def test_a_counter_that_runs_backwards_invalidates_unless_the_server_was_started_again() -> None:
    fell = [counters("a", 0, 9_000), counters("a", 10, 8_000)]
    restarted = [counters("a", 0, 9_000), counters("b", 10, 3_000)]

    assert "requests fell by 1,000 without a restart" in told(judged(GOOD, counters=fell))
    assert judged(GOOD, counters=restarted).decision == "PROMOTE"


def test_requests_and_failures_that_only_the_gateway_saw_invalidate() -> None:
    unlogged = [counters("a", 0, 0), counters("a", 0, 14_000)]
    unseen = [counters("a", 0, 0), counters("a", 0, 100, failed=500)]

    assert "the gateway sent 14,000 requests to canary" in told(judged(GOOD, counters=unlogged))
    assert "the gateway counted 500 failures of canary" in told(judged(GOOD, counters=unseen))


@pytest.mark.parametrize("column", ["score", "seconds", "contacted"])
def test_lost_telemetry_invalidates(column: str) -> None:
    every = pl.int_range(pl.len()) % 20 == 0

    lost = GOOD.with_columns(pl.when(ON_CANARY & every).then(None).otherwise(column).alias(column))

    assert "requests of canary lack their prediction" in told(judged(lost))


@pytest.mark.parametrize("weight", [None, float("nan"), -0.1, 1.1])
def test_a_request_without_a_possible_weight_is_lost(weight: float | None) -> None:
    verdict = judged(GOOD.with_columns(weight=pl.lit(weight, pl.Float64)))

    assert verdict.decision == "INVALID"
    assert verdict.evidence.stable.lost + verdict.evidence.canary.lost == 25_000
