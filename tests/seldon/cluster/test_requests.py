from datetime import datetime
from typing import Any

import polars as pl

from churn.rollout.requests import REQUESTS
from seldon.cluster.executor import increases, last_seen
from seldon.cluster.prometheus import Series
from seldon.cluster.requests import requests
from tests.seldon.cluster.test_history import at, history, wish

RECORDS = pl.Schema(
    {
        "request_id": pl.String(),
        "track": pl.String(),
        "event_time": pl.Datetime("us", "UTC"),
        "customer_id": pl.String(),
        "score": pl.Float64(),
        "contacted": pl.Boolean(),
        "latency_ms": pl.Float64(),
        "expected_score": pl.Float64(),
    }
)
LATER = at(60)


def record(minute: float, track: str, customer: str = "c", name: str | None = None) -> tuple[Any, ...]:
    return (name or f"r{minute}", track, at(minute), customer, 0.25, False, 12.0, None)


def counted(track: str, code: str = "200", until: datetime = LATER, **minutes: float) -> Series:
    """Samples every minute; a value by minute, such as m5=3, holds until the next."""
    values, value = [], 0.0
    minute = 0
    while at(minute) <= until:
        value = minutes.get(f"m{minute}", value)
        values.append((at(minute).timestamp(), value))
        minute += 1
    return Series({"predictor_name": track, "code": code}, tuple(values))


def read(rows: list[tuple[Any, ...]], *series: Series, kept: Any = None, until: datetime = LATER) -> pl.DataFrame:
    records = pl.DataFrame(rows, RECORDS, orient="row")
    periods = kept or history(None, 5, 50)
    return requests(records, increases(series, at(-5)), last_seen(series), periods, at(0), until)


BOTH = (counted("stable"), counted("canary"))


def test_a_record_is_a_good_answer_with_the_odds_of_its_time() -> None:
    frame = read([record(25, "canary"), record(15, "stable")], *BOTH)

    assert frame.schema == REQUESTS
    assert frame.select("canary", "weight", "failed", "seconds").rows() == [
        (False, 0.05, False, 0.012),
        (True, 0.5, False, 0.012),
    ]


def test_a_failure_comes_from_the_counters_and_is_nobodys() -> None:
    frame = read([record(25, "canary")], *BOTH, counted("canary", "500", m27=2))

    failed = frame.filter("failed")

    assert failed.select("canary", "customer", "weight", "score").rows() == [(True, None, 0.5, None)] * 2


def test_a_customer_may_meet_both_tracks() -> None:
    frame = read([record(25, "canary", "x"), record(26, "stable", "x")], *BOTH)

    assert frame["canary"].to_list() == [True, False]


def test_copies_have_weight_nought_and_stables_own_are_left_out() -> None:
    rows = [record(5, "stable"), record(5.1, "canary"), record(15, "stable"), record(15.1, "canary")]

    frame = read(rows, *BOTH, kept=history(0, 100))

    assert frame.select("canary", "weight").rows() == [(False, 0.0), (True, 0.0), (True, 1.0)]


def test_while_a_shadow_gives_way_what_stable_answered_is_a_copy() -> None:
    rows = [record(10.2, "stable", name="a"), record(10.3, "canary", name="a"), record(10.4, "canary", name="b")]

    frame = read(rows, *BOTH, counted("canary", "500", m11=1), kept=history(0, 50))

    assert frame.filter("canary").select("failed", "weight").rows() == [(False, 0.0), (False, 1.0), (True, 0.0)]


def test_what_prometheus_has_not_asked_about_yet_waits() -> None:
    rows = [record(25, "stable"), record(25.1, "canary"), record(28, "stable"), record(28.1, "canary")]

    frame = read(rows, counted("stable"), counted("canary", until=at(27)))

    assert frame["at"].max() == at(25.1)


def test_a_track_that_nobody_heard_of_hides_its_requests_and_all_after_them() -> None:
    rows = [record(5, "stable"), record(25, "stable"), record(26, "canary"), record(27, "stable")]

    assert read(rows, counted("stable"))["at"].to_list() == [at(5), at(25)]
    assert read(rows).height == 0


def test_a_canary_that_has_gone_holds_nothing_up() -> None:
    kept = history(None, 5).begun(wish(3, None), at(20)).now_live(3, at(21))
    rows = [record(15, "canary"), record(19, "stable"), record(30, "stable")]

    frame = read(rows, counted("stable"), counted("canary", until=at(18)), kept=kept)

    assert frame["at"].max() == at(30)


def test_records_that_may_still_come_are_waited_for() -> None:
    assert read([record(25, "stable"), record(28, "stable")], *BOTH, until=at(26)).height == 1
