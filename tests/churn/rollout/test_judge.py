from datetime import timedelta

import polars as pl
import pytest

from churn.rollout.baseline import Promise, Shift
from churn.rollout.counters import Signals
from tests.rollout import HALF, SETTINGS, SHADOW, SMALL, START, judged, metric, traffic

GOOD = traffic(25_000)


ON_CANARY = pl.col("canary")


def spoilt(**columns: pl.Expr) -> pl.DataFrame:
    """Return good traffic with columns of the canary replaced."""
    return GOOD.with_columns(
        **{name: pl.when(ON_CANARY).then(value).otherwise(name) for name, value in columns.items()}
    )


def test_a_canary_like_stable_is_promoted_with_the_proof() -> None:
    verdict = judged(GOOD)

    assert (verdict.decision, verdict.next, verdict.ended) == ("PROMOTE", "advance", None)
    asked = [evidence for evidence in verdict.evidence.metrics if evidence.promote_needed is not None]
    assert {evidence.metric for evidence in asked} == {
        *("errors", "latency_median", "latency_q90"),
        *("contacted_more", "contacted_less", "score_higher", "score_lower"),
    }
    assert all(evidence.cleared for evidence in asked)
    assert verdict.evidence.stable.requests + verdict.evidence.canary.requests == 25_000


def test_before_the_proof_the_canary_waits_and_the_reason_names_the_metric() -> None:
    verdict = judged(traffic(3_000))

    assert (verdict.decision, verdict.next) == ("INCONCLUSIVE", "wait")
    assert "not yet shown to be no worse" in verdict.reason


def test_an_early_step_asks_only_for_its_customers() -> None:
    assert judged(traffic(600, weight=0.2), SMALL).decision == "PROMOTE"
    assert judged(traffic(400, weight=0.2), SMALL).reason == "400 of the 500 customers this step asks for"


def test_customers_of_an_earlier_step_do_not_end_a_later_one() -> None:
    early, late = traffic(5_000, weight=0.2), traffic(300, seed=2, start=START + timedelta(hours=1))

    assert judged(pl.concat([early, late])).reason == "300 of the 1,000 customers this step asks for"


@pytest.mark.parametrize(
    ("requests", "blamed"),
    [
        (traffic(20_000, canary_error=0.03), "errors"),
        (traffic(8_000, slower=1.6), "latency_median"),
        (traffic(8_000, higher=0.06), "score_higher"),
        (traffic(8_000, higher=-0.06), "score_lower"),
        (traffic(4_000, constant=0.15), "constant_score"),
    ],
)
def test_a_worse_canary_is_rolled_back_for_what_is_wrong_with_it(requests: pl.DataFrame, blamed: str) -> None:
    verdict = judged(requests)

    assert (verdict.decision, verdict.next) == ("ROLLBACK", "return")
    assert metric(verdict, blamed).won
    assert metric(verdict, blamed).difference is not None
    assert verdict.reason.split(":")[0].replace(" ", "_") in {m.metric for m in verdict.evidence.metrics if m.won}


@pytest.mark.parametrize("decision", ["contacted_more", "contacted_less"])
def test_more_or_fewer_contacts_than_promised_are_noticed(decision: str) -> None:
    flipped = (pl.col("score") > (0.2 if decision == "contacted_more" else 0.6)) & ~pl.col("failed")

    verdict = judged(spoilt(contacted=flipped))

    assert verdict.decision == "ROLLBACK"
    assert metric(verdict, decision).won
    assert verdict.reason.startswith(decision.replace("_", " "))


def test_a_shift_that_the_promotion_promised_is_no_fault_and_its_absence_is_one() -> None:
    shifted = traffic(25_000, higher=0.06)
    means = [shifted.filter(canary)["contacted"].drop_nulls().to_numpy().mean() for canary in (ON_CANARY, ~ON_CANARY)]
    more = float(means[0] - means[1])
    kept = Promise(score=Shift(value=0.06, error=0.002), contacted=Shift(value=more, error=0.01))

    assert judged(shifted, promise=kept).decision == "PROMOTE"
    assert judged(GOOD, promise=kept).decision == "ROLLBACK"


@pytest.mark.parametrize(("higher", "side"), [(0.021, "score_higher"), (-0.021, "score_lower")])
def test_the_uncertainty_of_the_promise_is_not_held_against_the_canary(higher: float, side: str) -> None:
    off = traffic(60_000, higher=higher)

    sure, unsure = judged(off), judged(off, promise=Promise(score=Shift(error=0.015)))

    assert metric(sure, side).won
    assert not metric(unsure, side).won


def test_a_difference_within_the_margin_is_no_rollback_however_sure_it_is() -> None:
    verdict = judged(traffic(200_000, slower=1.1))

    assert metric(verdict, "latency_median").won
    assert verdict.decision == "PROMOTE"


def test_a_difference_that_nobody_notices_is_no_rollback_however_many_times_as_slow_it_is() -> None:
    slow = traffic(30_000, slower=2.0)

    noticed = judged(slow)
    unnoticed = judged(slow, settings=SETTINGS.model_copy(update={"latency_allowance": 0.5}))

    assert noticed.decision == "ROLLBACK"
    assert metric(unnoticed, "latency_median").won
    assert unnoticed.decision == "PROMOTE"


def test_strict_bets_on_the_margin_itself() -> None:
    strict = SETTINGS.model_copy(update={"mode": "strict"})
    small, large = traffic(200_000, slower=1.1), traffic(30_000, slower=2.0)

    assert not metric(judged(small, settings=strict), "latency_median").won
    assert judged(large, settings=strict).decision == "ROLLBACK"
    assert metric(judged(GOOD, settings=strict), "errors").unit == "first"


def test_one_score_that_is_not_the_bundles_rolls_back() -> None:
    first = GOOD.filter(ON_CANARY & pl.col("score").is_not_null())["at"][0]
    off = GOOD.with_columns(score=pl.when(pl.col("at") == first).then(pl.col("score") + 2e-6).otherwise("score"))
    same = GOOD.with_columns(score=pl.when(pl.col("at") == first).then(pl.col("score") + 5e-7).otherwise("score"))

    assert judged(off).reason.startswith("1 of the canary's scores differ from its bundle's")
    assert judged(same).decision == "PROMOTE"


def test_a_score_where_the_bundle_gives_nan_is_not_the_bundles() -> None:
    assert judged(spoilt(expected_score=pl.lit(float("nan")))).decision == "ROLLBACK"


def test_stables_scores_are_not_the_canarys_fault() -> None:
    wrong = GOOD.with_columns(expected_score=pl.when(~ON_CANARY).then(pl.lit(0.9)).otherwise("expected_score"))

    assert judged(wrong).decision == "PROMOTE"


@pytest.mark.parametrize("score", [float("nan"), float("inf"), -0.1, 1.5])
def test_a_score_that_is_no_probability_is_an_error_of_the_canary(score: float) -> None:
    verdict = judged(spoilt(score=pl.lit(score), expected_score=pl.lit(None)))

    assert verdict.decision == "ROLLBACK"
    assert verdict.evidence.canary.failed == verdict.evidence.canary.requests


def test_nan_latency_is_an_error_and_an_unanswered_request_exceeds_every_threshold() -> None:
    hung = judged(spoilt(seconds=pl.lit(float("nan"))))
    unanswered = judged(
        traffic(4_000, canary_error=0.5).with_columns(seconds=pl.when(~pl.col("failed")).then("seconds"))
    )

    assert hung.evidence.canary.failed == hung.evidence.canary.requests
    assert metric(unanswered, "latency_q99").won


def test_unknown_whether_it_failed_counts_as_failed() -> None:
    verdict = judged(spoilt(failed=pl.lit(None, pl.Boolean)))

    assert verdict.evidence.canary.failed == verdict.evidence.canary.requests
    assert verdict.decision == "ROLLBACK"


def test_a_request_rescued_by_stable_is_the_canarys_error() -> None:
    rescued = ON_CANARY & (pl.int_range(pl.len()) % 20 == 0)
    requests = GOOD.with_columns(failed=pl.col("failed") | rescued)

    assert judged(requests).reason.startswith("errors: ")


NOTHING = GOOD.clear()


@pytest.mark.parametrize(
    ("signals", "says"),
    [
        (Signals(failures_in_a_row=10), "the canary failed 10 times in a row"),
        (Signals(unhealthy="503 on /health/status"), "the canary is not healthy: 503 on /health/status"),
        (Signals(wrong_digest="ab12"), "the canary serves ab12 instead of the approved bundle"),
    ],
)
def test_the_kill_switch_needs_no_statistics(signals: Signals, says: str) -> None:
    assert (judged(NOTHING, signals=signals).decision, judged(NOTHING, signals=signals).reason) == ("ROLLBACK", says)
    assert judged(NOTHING, signals=Signals(failures_in_a_row=9)).decision == "INCONCLUSIVE"


def test_failures_in_a_row_are_counted_in_customers() -> None:
    dead = traffic(40, canary_error=1.0)
    one = traffic(40, error=1.0).with_columns(customer=pl.lit("the same"), canary=pl.lit(True))
    nameless = one.with_columns(customer=pl.lit(None, pl.String))

    assert judged(dead).evidence.failures_in_a_row == dead.filter(ON_CANARY).height
    assert judged(one).evidence.failures_in_a_row == 1
    assert judged(nameless).evidence.failures_in_a_row == 40
    assert "times in a row" in judged(nameless).reason


def test_a_success_ends_a_run_of_failures() -> None:
    rows = traffic(30, weight=0.999, error=0.0).with_columns(canary=pl.lit(True))
    blinking = rows.with_columns(failed=pl.int_range(pl.len()) % 5 != 4)

    assert judged(blinking).evidence.failures_in_a_row == 4


def test_who_fails_now_is_not_promoted_now() -> None:
    late = traffic(2, error=1.0, start=START + timedelta(hours=1)).with_columns(canary=pl.lit(True))

    assert judged(pl.concat([GOOD, late])).reason == "the canary's last request failed"


def test_scores_that_nobody_compared_do_not_promote() -> None:
    unverified = GOOD.with_columns(expected_score=pl.lit(None, pl.Float64))

    assert judged(unverified).reason.startswith("0 of the 50 scores that are to be compared")


@pytest.mark.parametrize(("after", "ended"), [(239, None), (240, "deadline")])
def test_the_deadline_returns_traffic_to_stable(after: int, ended: str | None) -> None:
    verdict = judged(traffic(3_000), after=timedelta(minutes=after))

    assert (verdict.decision, verdict.ended) == ("INCONCLUSIVE", ended)
    assert verdict.next == ("return" if ended else "wait")


def test_the_cap_returns_traffic_to_stable_and_so_does_a_deadline_in_doubt() -> None:
    tight = SETTINGS.model_copy(update={"steps": (SETTINGS.steps[HALF].model_copy(update={"cap": 3_000}),)})
    skewed = traffic(4_000, weight=0.4).with_columns(weight=pl.lit(0.5))

    capped, doubtful = judged(traffic(3_000), 0, settings=tight), judged(skewed, after=timedelta(days=1))

    assert (capped.decision, capped.ended, capped.next) == ("INCONCLUSIVE", "cap", "return")
    assert (doubtful.decision, doubtful.ended, doubtful.next) == ("INVALID", "deadline", "return")


def test_shadow_ends_with_enough_copies_that_score_like_the_bundle() -> None:
    copies = traffic(300, weight=0.0)
    off = copies.with_columns(score=pl.when(ON_CANARY).then(pl.lit(0.5)).otherwise("score"))

    assert judged(copies, SHADOW).decision == "PROMOTE"
    assert judged(copies.filter(~ON_CANARY), SHADOW).reason == "no request has reached the canary at 0 % yet"
    assert judged(off, SHADOW).decision == "ROLLBACK"
    assert judged(copies, SHADOW).evidence.canary.requests == 0
