"""What the page of an ingest report shows, prepared for its template."""

from collections.abc import Mapping
from dataclasses import dataclass

from churn.hours import HOUR
from churn.ingestion.report import Counts, IngestReport, ObjectReport, StreamReport
from materializers.pages import render

OBJECTS_SHOWN = 200
"""Objects listed in all: the worst first, then the newest; keeps a page of ten thousand objects below 200 KB."""
NAMES_SHOWN = 30
"""Reasons, repairs and columns listed per stream."""


@dataclass(frozen=True)
class Slice:
    """A part of a stacked bar: its kind (a CSS class), rows and share of the whole."""

    kind: str
    rows: int
    share: float


@dataclass(frozen=True)
class Bar:
    """A name with a number and a bar as long as its share of the largest."""

    name: str
    number: int
    share: float


@dataclass(frozen=True)
class StreamView:
    """A stream with its lists cut to length."""

    report: StreamReport
    counts: Counts
    slices: list[Slice]
    reasons: list[Bar]
    repairs: list[Bar]
    objects: int
    unreadable: int
    age_hours: float | None
    """Hours between the newest event and the end of the last closed hour."""


def report_page(report: IngestReport) -> str:
    """Draw an ingest report as one HTML document."""
    objects = sorted(
        ((stream.stream, item) for stream in report.streams for item in stream.objects),
        key=lambda pair: _worst_then_newest(pair[1]),
    )
    return render(
        "ingest_report.html.j2",
        title="Ingest report",
        report=report,
        counts=report.counts,
        slices=_slices(report.counts),
        seconds=(report.finished - report.started).total_seconds(),
        streams=[_view(stream) for stream in report.streams],
        objects=objects[:OBJECTS_SHOWN],
        hidden_objects=max(0, len(objects) - OBJECTS_SHOWN),
        names_shown=NAMES_SHOWN,
    )


def _view(stream: StreamReport) -> StreamView:
    counts, newest, closed = stream.counts, stream.newest_time, stream.closed_until
    return StreamView(
        report=stream,
        counts=counts,
        slices=_slices(counts),
        reasons=_bars(stream.reasons),
        repairs=_bars(stream.repairs),
        objects=len(stream.objects),
        unreadable=sum(item.status == "unreadable" for item in stream.objects),
        age_hours=(closed - newest) / HOUR if newest and closed else None,
    )


def _slices(counts: Counts) -> list[Slice]:
    parts = {"appended": counts.appended, "duplicate": counts.duplicate, "quarantined": counts.quarantined}
    return [Slice(kind, rows, rows / counts.read if counts.read else 0.0) for kind, rows in parts.items()]


def _bars(numbers: Mapping[str, int]) -> list[Bar]:
    ranked = sorted(numbers.items(), key=lambda item: (-item[1], item[0]))[:NAMES_SHOWN]
    most = max((number for _, number in ranked), default=1) or 1
    return [Bar(name, number, number / most) for name, number in ranked]


def _worst_then_newest(item: ObjectReport) -> tuple[bool, int, float, str]:
    return item.status != "unreadable", -item.counts.quarantined, -item.landing_hour.timestamp(), item.source_file
