"""When a run of the ingestion calls for a person: pure rules over its report."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from churn.errors import ChurnError
from churn.hours import HOUR
from churn.ingestion.alert import Alert, FailureKind
from churn.ingestion.report import IngestReport, SchemaDifference, StreamReport
from churn.settings import AlertSettings

SHOWN = 5
"""How many columns, reasons or objects a message names before it says how many more there are."""

_STOPPED: dict[FailureKind, str] = {
    "ingestion_failed": "ingestion stopped, the batch at hand was not written",
    "training_failed": "training stopped, what is in production stays",
    "promotion_failed": "promotion stopped, stages stay as the ledger has them",
    "deployment_failed": "deployment stopped, what was in production goes on serving",
    "scoring_failed": "scoring stopped, the scores and customers of before stay",
    "monitoring_failed": "monitoring stopped, nobody watches the model in production",
}


def alerts_for(report: IngestReport, settings: AlertSettings) -> list[Alert]:
    """Return what the run calls for, at most one alert per kind and stream.

    Silence and lateness are judged on `activity` alone, the one stream that is expected every hour, and not in a
    backfill, which is late by nature. A stream that has been silent for `settings.history` is taken for a set from the
    past that was replayed: the run that took it in says so, as information, and the runs after it say nothing until
    something lands again.
    """
    return [alert for stream in report.streams for alert in _stream_alerts(stream, report, settings)]


def failure_alert(error: ChurnError, kind: FailureKind = "ingestion_failed") -> Alert:
    """Return the alert of a run that failed closed."""
    return Alert(
        kind=kind,
        severity="critical",
        stream=None,
        message=f"{_STOPPED[kind]}: {error}",
        figures={"error": type(error).__name__},
    )


def _stream_alerts(stream: StreamReport, report: IngestReport, settings: AlertSettings) -> Iterator[Alert]:
    rules = [_bad_share(stream, settings), _unreadable(stream), _schema_change(stream)]
    if stream.stream == "activity" and not report.backfill:
        if _is_history(stream, stream.closed_until, settings):
            rules.append(_history(stream, settings))
        else:
            rules += [_empty_hour(stream, report.now, settings), _late_source(stream, settings)]
    yield from (alert for alert in rules if alert is not None)


def _bad_share(stream: StreamReport, settings: AlertSettings) -> Alert | None:
    counts = stream.counts
    if counts.bad_share <= settings.bad_share:
        return None
    reasons = [f"{reason} ({rows:,})" for reason, rows in stream.reasons.items()]
    return Alert(
        kind="bad_share",
        severity="critical",
        stream=stream.stream,
        message=(
            f"{stream.stream}: {counts.quarantined:,} of {counts.read:,} rows ({counts.bad_share:.1%}) went to "
            f"quarantine, more than {settings.bad_share:.1%}: {_some(reasons)}; see churn quarantine show"
        ),
        figures={"read": counts.read, "quarantined": counts.quarantined, "share": round(counts.bad_share, 4)},
    )


def _unreadable(stream: StreamReport) -> Alert | None:
    objects = [item for item in stream.objects if item.status == "unreadable"]
    if not objects:
        return None
    named = [f"{item.source_file} ({', '.join(item.reasons) or 'unknown'})" for item in objects]
    return Alert(
        kind="unreadable_object",
        severity="warning",
        stream=stream.stream,
        message=(
            f"{stream.stream}: {_many(len(objects), 'object')} cannot be read and went to quarantine whole: "
            f"{_some(named)}; ask the uploader for a new copy"
        ),
        figures={"objects": len(objects), "bytes": sum(item.bytes for item in objects)},
    )


def _schema_change(stream: StreamReport) -> Alert | None:
    words = {"unknown_dropped": "unknown, dropped", "missing": "missing", "retyped": "of another type"}
    changes = [item for item in stream.differences if item.kind in words and item.new]
    if not changes:
        return None
    named = [f"{item.column} ({words[item.kind]}, {_many(item.objects, 'object')})" for item in changes]
    return Alert(
        kind="schema_change",
        severity="warning",
        stream=stream.stream,
        message=(
            f"{stream.stream}: columns differ from contract version {stream.contract_version}: {_some(named)}; "
            "declare an alias, a default or a safe attribute in the contract if this is meant"
        ),
        figures={kind: _count(changes, kind) for kind in words if _count(changes, kind)},
    )


def _is_history(stream: StreamReport, seen_until: datetime | None, settings: AlertSettings) -> bool:
    """Tell whether whoever had read the stream until then would take what has landed for a set from the past."""
    if settings.history is None or seen_until is None or stream.last_object_hour is None:
        return False
    return seen_until - (stream.last_object_hour + HOUR) >= settings.history


def _history(stream: StreamReport, settings: AlertSettings) -> Alert | None:
    landed = any(item.status != "replayed" for item in stream.objects)
    if not landed and _is_history(stream, stream.closed_since, settings):
        return None
    assert stream.last_object_hour
    assert stream.closed_until
    end = stream.last_object_hour + HOUR
    silence = stream.closed_until - end
    return Alert(
        kind="history",
        severity="info",
        stream=stream.stream,
        message=(
            f"{stream.stream}: the landing zone holds history that ends at {end:%Y-%m-%d %H:%M} UTC, "
            f"{_hours(silence)} ago; silence and lateness alert from the next upload on (alerts.history: null "
            "has them alert about history too)"
        ),
        figures={"silent_hours": round(silence / HOUR, 1)},
    )


def _empty_hour(stream: StreamReport, now: datetime, settings: AlertSettings) -> Alert | None:
    end = stream.closed_until or now
    if stream.last_object_hour is None:
        message = f"{stream.stream}: no object has ever landed; check landing.url and the uploader"
        return _quiet_alert(stream, message, {})
    silence = end - (stream.last_object_hour + HOUR)
    if stream.hours_without_objects == 0 or silence < settings.quiet:
        return None
    message = (
        f"{stream.stream}: nothing landed in the {_hours(silence)} before {end:%Y-%m-%d %H:%M} UTC; check the uploader"
    )
    return _quiet_alert(stream, message, {"silent_hours": round(silence / HOUR, 1)})


def _quiet_alert(stream: StreamReport, message: str, figures: dict[str, int | float | str]) -> Alert:
    empty: dict[str, int | float | str] = {"empty_hours": stream.hours_without_objects}
    return Alert(kind="empty_hour", severity="warning", stream=stream.stream, message=message, figures=empty | figures)


def _late_source(stream: StreamReport, settings: AlertSettings) -> Alert | None:
    if stream.newest_time is None or stream.closed_until is None:
        return None
    age = stream.closed_until - stream.newest_time
    if age <= settings.late:
        return None
    return Alert(
        kind="late_source",
        severity="warning",
        stream=stream.stream,
        message=(
            f"{stream.stream}: the newest event, {stream.newest_time:%Y-%m-%d %H:%M} UTC, was {_hours(age)} old when "
            f"its hour closed, more than {_hours(settings.late)}; the source is late"
        ),
        figures={"age_hours": round(age / HOUR, 1)},
    )


def _count(changes: list[SchemaDifference], kind: str) -> int:
    return sum(item.kind == kind for item in changes)


def _hours(span: timedelta) -> str:
    hours = span / HOUR
    return f"{hours:.3g} h" if hours < 100 else f"{hours / 24:,.0f} days"


def _many(number: int, thing: str) -> str:
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def _some(items: list[str]) -> str:
    more = len(items) - SHOWN
    return ", ".join(items[:SHOWN]) + (f" and {more} more" if more > 0 else "")
