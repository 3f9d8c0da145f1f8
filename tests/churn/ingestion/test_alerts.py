from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from churn.errors import TooManyBadRows
from churn.ingestion.alert import AlertKind, FailureKind
from churn.ingestion.alerts import alerts_for, failure_alert
from churn.ingestion.report import (
    Counts,
    IngestReport,
    ObjectReport,
    ObjectStatus,
    SchemaDifference,
    StreamReport,
)
from churn.settings import AlertSettings, Stream

CLOSED = datetime(2026, 3, 2, tzinfo=UTC)
HOUR = timedelta(hours=1)
SETTINGS = AlertSettings(bad_share=0.05, quiet=2 * HOUR, late=26 * HOUR)


def landed(appended: int, quarantined: int = 0, *, status: ObjectStatus = "ingested", name: str = "a") -> ObjectReport:
    return ObjectReport(
        object_id="0" * 64,
        source_file=f"activity/dt=2026-03-01/hour=23/{name}.csv",
        etag="1",
        landing_hour=CLOSED - HOUR,
        available_at=CLOSED,
        status=status,
        bytes=100,
        counts=Counts(read=appended + quarantined, appended=appended, quarantined=quarantined),
        repairs={},
        reasons={"missing:customer_id": quarantined} if quarantined else {},
    )


def stream(
    *objects: ObjectReport,
    name: Stream = "activity",
    differences: tuple[SchemaDifference, ...] = (),
    empty: int = 0,
    silent: timedelta | None = timedelta(),
    age: timedelta = HOUR,
    since: timedelta | None = None,
) -> StreamReport:
    """A stream that closed at CLOSED.

    `silent`: time since its last landing hour ended, if there was one; `since`: time since the run before, if any.
    """
    return StreamReport(
        stream=name,
        contract_version=1,
        batches=1,
        objects=objects,
        postponed=0,
        differences=differences,
        closed_until=CLOSED,
        closed_since=None if since is None else CLOSED - since,
        hours_without_objects=empty,
        last_object_hour=None if silent is None else CLOSED - silent - HOUR,
        newest_time=CLOSED - age,
        table_version=3,
    )


def report(*streams: StreamReport, backfill: bool = False) -> IngestReport:
    return IngestReport(run_id="r", now=CLOSED, started=CLOSED, finished=CLOSED, backfill=backfill, streams=streams)


def kinds(*streams: StreamReport, backfill: bool = False) -> list[AlertKind]:
    return [alert.kind for alert in alerts_for(report(*streams, backfill=backfill), SETTINGS)]


def test_a_clean_run_is_silent() -> None:
    assert kinds(stream(landed(100))) == []


@pytest.mark.parametrize(("bad", "expected"), [(5, []), (6, ["bad_share"])])
def test_only_more_than_the_allowed_share_alerts(bad: int, expected: list[AlertKind]) -> None:
    assert kinds(stream(landed(100 - bad, bad))) == expected


def test_bad_share_names_counts_reason_and_way_out() -> None:
    [alert] = alerts_for(report(stream(landed(900, 100))), SETTINGS)

    assert alert.severity == "critical"
    assert alert.figures == {"read": 1000, "quarantined": 100, "share": 0.1}
    assert "100 of 1,000 rows (10.0%)" in alert.message
    assert "missing:customer_id (100)" in alert.message
    assert "churn quarantine show" in alert.message


@pytest.mark.parametrize("kind", ["unknown_dropped", "missing", "retyped"])
def test_a_new_difference_alerts_once_for_all_objects(kind: str) -> None:
    change = SchemaDifference(kind=kind, column="colour", objects=2, new=True)

    [alert] = alerts_for(report(stream(landed(9), landed(9), differences=(change,))), SETTINGS)

    assert (alert.kind, alert.figures) == ("schema_change", {kind: 1})
    assert "colour" in alert.message


@pytest.mark.parametrize(("kind", "new"), [("unknown_dropped", False), ("alias", True), ("personal_dropped", True)])
def test_a_known_or_harmless_difference_is_no_change(kind: str, new: bool) -> None:
    assert kinds(stream(landed(9), differences=(SchemaDifference(kind=kind, column="c", objects=1, new=new),))) == []


@pytest.mark.parametrize(
    ("empty", "silence", "expected"),
    [(0, timedelta(), []), (1, HOUR, []), (2, 2 * HOUR, ["empty_hour"]), (3, timedelta(), []), (0, 9 * HOUR, [])],
)
def test_silence_longer_than_quiet_alerts(empty: int, silence: timedelta, expected: list[AlertKind]) -> None:
    assert kinds(stream(empty=empty, silent=silence)) == expected


def test_a_landing_zone_that_never_held_activity_alerts() -> None:
    [alert] = alerts_for(report(stream(silent=None)), SETTINGS)

    assert alert.kind == "empty_hour"
    assert "landing.url" in alert.message


@pytest.mark.parametrize(("age", "expected"), [(26 * HOUR, []), (27 * HOUR, ["late_source"])])
def test_old_newest_event_alerts(age: timedelta, expected: list[AlertKind]) -> None:
    assert kinds(stream(landed(9), age=age)) == expected


def test_long_silence_is_told_in_days() -> None:
    [alert] = alerts_for(report(stream(empty=2400, silent=2400 * HOUR)), SETTINGS)

    assert "in the 100 days before 2026-03-02 00:00 UTC" in alert.message


def test_slowly_changing_streams_may_be_silent_and_old() -> None:
    assert kinds(stream(name="customers", empty=400, silent=400 * HOUR, age=9000 * HOUR)) == []


def test_a_backfill_is_late_by_nature() -> None:
    assert kinds(stream(landed(9), empty=400, silent=400 * HOUR, age=9000 * HOUR), backfill=True) == []


MONTH = 30 * 24 * HOUR
HISTORY = SETTINGS.model_copy(update={"history": MONTH})
YEARS = 300 * MONTH


def freshness(item: StreamReport, settings: AlertSettings = HISTORY) -> list[tuple[AlertKind, str]]:
    return [(alert.kind, alert.severity) for alert in alerts_for(report(item), settings)]


def test_replayed_history_is_told_by_the_run_that_took_it_in_and_never_again() -> None:
    silent = partial(stream, empty=YEARS // HOUR, silent=YEARS, age=YEARS + 9 * HOUR)
    first = silent(landed(9), since=YEARS)
    at_once = silent(landed(9))
    seen_before_but_only_now_replayed = silent(landed(9), since=HOUR)
    later = silent(since=HOUR)

    for item in (first, at_once, seen_before_but_only_now_replayed):
        assert freshness(item) == [("history", "info")]
    assert freshness(later) == []
    [note] = alerts_for(report(first), HISTORY)
    assert f"history that ends at {CLOSED - YEARS:%Y-%m-%d %H:%M} UTC, 9,000 days ago" in note.message


def test_a_live_source_that_becomes_late_alerts_every_hour_until_it_counts_as_history() -> None:
    for hours in range(2, 30 * 24):
        dying = stream(empty=1, silent=hours * HOUR, age=(hours + 30) * HOUR, since=HOUR)
        assert freshness(dying) == [("empty_hour", "warning"), ("late_source", "warning")]
    assert freshness(stream(empty=1, silent=MONTH, age=2 * MONTH, since=HOUR)) == [("history", "info")]
    assert freshness(stream(empty=1, silent=MONTH + HOUR, age=2 * MONTH, since=HOUR)) == []


def test_uploads_after_history_are_watched_again() -> None:
    assert freshness(stream(landed(9), empty=YEARS // HOUR, since=YEARS)) == []
    assert freshness(stream(empty=3, silent=3 * HOUR, since=HOUR)) == [("empty_hour", "warning")]


def test_history_is_only_believed_in_where_the_settings_say_so() -> None:
    silent = stream(empty=YEARS // HOUR, silent=YEARS, age=YEARS, since=HOUR)

    assert freshness(silent, SETTINGS) == [("empty_hour", "warning"), ("late_source", "warning")]


def test_unreadable_objects_alert_once_and_only_some_are_named() -> None:
    broken = [landed(0, 1, status="unreadable", name=f"n{number}") for number in range(8)]

    alerts = alerts_for(report(stream(landed(1000), *broken)), SETTINGS)

    [alert] = [alert for alert in alerts if alert.kind == "unreadable_object"]
    assert alert.figures == {"objects": 8, "bytes": 800}
    assert "n4.csv" in alert.message
    assert "n5.csv" not in alert.message
    assert "and 3 more" in alert.message


def test_each_stream_alerts_for_itself() -> None:
    alerts = alerts_for(report(stream(landed(1, 9)), stream(landed(1, 9), name="customers")), SETTINGS)

    assert [(alert.kind, alert.stream) for alert in alerts] == [("bad_share", "activity"), ("bad_share", "customers")]


@pytest.mark.parametrize(
    ("kind", "what"),
    [("ingestion_failed", "ingestion"), ("training_failed", "training"), ("scoring_failed", "scoring")],
)
def test_a_run_that_failed_closed_is_critical(kind: FailureKind, what: str) -> None:
    alert = failure_alert(TooManyBadRows("activity: 30 of 30 rows are bad"), kind)

    assert (alert.kind, alert.severity, alert.stream) == (kind, "critical", None)
    assert alert.message.startswith(f"{what} stopped")
    assert alert.message.endswith("activity: 30 of 30 rows are bad")
