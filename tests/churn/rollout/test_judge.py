import json
from collections.abc import Callable
from datetime import timedelta

import polars as pl
import pytest

from churn.rollout.baseline import Promise, Shift
from churn.rollout.counters import Counters, Signals, TrackCounters
from churn.rollout.judge import Judge
from churn.rollout.requests import UnfitRequests
from churn.rollout.verdict import RolloutVerdict
from tests.rollout import BASELINE, HALF, SETTINGS, SHADOW, SMALL, START, judged, metric, traffic

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
    ("requests", "says"),
    [
        (NOTHING, "no request has reached stable"),
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


def test_a_customer_counts_once_however_many_requests() -> None:
    few = traffic(20_000, customers=100)

    verdict = judged(few)

    assert verdict.evidence.customers == 100
    assert sum(count.stable + count.canary for count in metric(verdict, "score_higher").counts) <= 100
    assert verdict.decision == "INCONCLUSIVE"


def test_a_customer_who_meets_both_tracks_at_one_weight_counts_once() -> None:
    drawn_anew = traffic(2_000).with_columns(customer=(pl.int_range(pl.len()) % 300).cast(pl.String))

    verdict = judged(drawn_anew)

    assert drawn_anew.group_by("customer").agg(pl.col("canary").n_unique())["canary"].max() == 2
    assert verdict.evidence.customers == 300
    assert verdict.evidence.stable.requests + verdict.evidence.canary.requests == 2_000


def test_requests_without_a_customer_count_each() -> None:
    nameless = traffic(2_000).with_columns(customer=pl.lit(None, pl.String))

    assert judged(nameless).evidence.customers == 2_000


def test_a_customer_who_moves_with_the_weight_keeps_the_first_track() -> None:
    step = timedelta(minutes=1)
    early, late = traffic(3_000, weight=0.2, seed=4), traffic(3_000, weight=0.5, seed=4, start=START + step)

    verdict = judged(pl.concat([early, late]))

    assert [count.stable + count.canary for count in metric(verdict, "errors").counts] == [3_000, 0]
    assert verdict.evidence.customers == 3_000


def test_wealth_is_kept_when_the_weight_changes() -> None:
    faulty = traffic(6_000, weight=0.2, canary_error=0.03)
    moved = traffic(1_500, seed=9, start=START + timedelta(minutes=1), canary_error=0.03).with_columns(
        customer=pl.lit("later-") + pl.col("customer")
    )

    both = metric(judged(pl.concat([faulty, moved])), "errors")

    assert both.log_e > metric(judged(moved), "errors").log_e + 1
    assert [count.weight for count in both.counts] == [0.2, 0.5]


def test_customers_of_different_weights_are_compared_with_their_likes() -> None:
    bad_hour = traffic(20_000, weight=0.2, error=0.1)
    good_hour = traffic(20_000, error=0.0, seed=3, start=START + timedelta(hours=1)).with_columns(
        customer=pl.lit("later-") + pl.col("customer")
    )

    difference = metric(judged(pl.concat([bad_hour, good_hour])), "errors").difference

    assert difference == pytest.approx(0, abs=0.01)


def test_a_weight_that_was_computed_is_that_of_its_step() -> None:
    steps = (SETTINGS.steps[HALF].model_copy(update={"weight": 30}),)
    computed = traffic(500, weight=0.1 + 0.2)

    verdict = judged(computed, 0, settings=SETTINGS.model_copy(update={"steps": steps}))

    assert verdict.evidence.customers == 500


def test_pieces_give_what_the_whole_gives() -> None:
    requests = pl.concat(
        [traffic(2_000, weight=0.2), traffic(9_000, customers=3_000, start=START + timedelta(hours=1))]
    )
    bench = Judge(SETTINGS, BASELINE, Promise())
    for piece in requests.iter_slices(777):
        bench.add(piece)

    pieces = bench.verdict(HALF, since=START, now=START + timedelta(minutes=5))

    whole = judged(requests)
    best = {"promote_log_e": 0.0}
    assert [evidence.model_copy(update=best) for evidence in pieces.evidence.metrics] == [
        evidence.model_copy(update=best) for evidence in whole.evidence.metrics
    ]
    assert pieces.evidence.customers == whole.evidence.customers
    assert pieces.evidence.failures_in_a_row == whole.evidence.failures_in_a_row


def test_a_proof_once_given_stays() -> None:
    bench = Judge(SETTINGS, BASELINE, Promise())
    bench.add(traffic(25_000))
    proven = metric(bench.verdict(HALF, since=START, now=START), "score_higher")
    bench.add(
        traffic(3_000, seed=3, higher=0.1, start=START + timedelta(hours=1)).with_columns(
            customer=pl.lit("later-") + pl.col("customer")
        )
    )

    later = metric(bench.verdict(HALF, since=START, now=START), "score_higher")

    assert later.promote_log_e == proven.promote_log_e


def test_the_evidence_survives_json() -> None:
    for verdict in (judged(GOOD), judged(NOTHING), judged(traffic(500, canary_error=1.0))):
        assert type(verdict).model_validate_json(verdict.model_dump_json()) == verdict
        assert "NaN" not in json.dumps(verdict.model_dump(mode="json"))


@pytest.mark.parametrize(
    "broken",
    [lambda rows: rows.drop("weight"), lambda rows: rows.with_columns(at=pl.col("at").dt.replace_time_zone(None))],
)
def test_a_frame_of_another_shape_is_refused_by_its_column(broken: Callable[[pl.DataFrame], pl.DataFrame]) -> None:
    with pytest.raises(UnfitRequests, match=r"(weight is missing|at is Datetime)"):
        judged(broken(GOOD))


def test_rows_in_any_order_are_judged_in_the_order_of_time() -> None:
    requests = traffic(5_000, customers=500, canary_error=0.05)

    assert judged(requests.sample(fraction=1, shuffle=True, seed=1)) == judged(requests)
