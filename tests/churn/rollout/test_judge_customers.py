"""Customers count, not requests, and what was judged stays judged."""

import json
from collections.abc import Callable
from datetime import timedelta

import polars as pl
import pytest

from churn.rollout.baseline import Promise
from churn.rollout.judge import Judge
from churn.rollout.requests import UnfitRequests
from tests.rollout import BASELINE, HALF, SETTINGS, START, judged, metric, traffic

GOOD = traffic(25_000)


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
    for verdict in (judged(GOOD), judged(GOOD.clear()), judged(traffic(500, canary_error=1.0))):
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
