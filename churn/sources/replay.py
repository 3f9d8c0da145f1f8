"""Uploading a source into a landing zone hour by hour, the way a real uploader would."""

import heapq
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

import polars as pl

from churn.hours import floor_hour
from churn.landing.zone import LandingZone
from churn.log import get_logger
from churn.settings import STREAMS, Stream
from churn.sources.encode import UploadFormat, encode
from churn.sources.source import UPLOADED, Source, SourceError

log = get_logger(__name__)

Grain = Literal["hour", "day"]


@dataclass(frozen=True)
class ReplayReport:
    """What a replay put into the zone; `unchanged` of the `objects` were there already, byte for byte.

    `rows` and `bytes` (stored bytes) count all of the objects; `stopped` tells that a person ended it early.
    """

    objects: int = 0
    unchanged: int = 0
    rows: int = 0
    bytes: int = 0
    first_hour: datetime | None = None
    last_hour: datetime | None = None
    stopped: bool = False


def replay(
    source: Source,
    zone: LandingZone,
    *,
    per: Grain = "hour",
    since: datetime | None = None,
    until: datetime | None = None,
    format: UploadFormat = "jsonl.gz",
    speed: float | None = None,
    streams: Collection[Stream] | None = None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
    progress: Callable[[ReplayReport], None] | None = None,
) -> ReplayReport:
    """Write a source as objects named `<source>-<stream>-YYYYMMDDTHH.<format>`, oldest landing hour first.

    A rerun writes the same bytes and leaves identical objects alone. A keyboard interrupt ends the replay between
    two objects.

    Args:
        source: where the rows come from.
        zone: where they go.
        per: `hour` uploads each hour's rows in that hour; `day` all rows of a UTC day in its hour 23.
        since: upload hours before this one are left out.
        until: upload hours from this one on are left out.
        format: extension and format of the objects.
        speed: data seconds that pass in one second; none uploads everything at once.
        streams: only these; by default all that the source has.
        clock: seconds of a clock that never goes back.
        sleep: waits for so many seconds.
        progress: called after each object with the report so far.

    Raises:
        SourceError: the source lacks a wanted stream, cannot be read, or gives rows out of order.
    """
    chosen = _chosen(source, streams)
    uploads = heapq.merge(*(_uploads(source, stream, per) for stream in chosen), key=lambda upload: upload[0])
    report = ReplayReport()
    started = clock()
    try:
        for hour, stream, frame in uploads:
            if since is not None and hour < floor_hour(since):
                continue
            if until is not None and hour >= until:
                break
            if speed is not None:
                due = started + (hour - (report.first_hour or hour)).total_seconds() / speed
                sleep(max(0.0, due - clock()))
            report = _upload(zone, source, stream, hour, frame, format, report)
            if progress is not None:
                progress(report)
    except KeyboardInterrupt:
        report = replace(report, stopped=True)
    log.info("replayed", source=source.name, objects=report.objects, unchanged=report.unchanged, rows=report.rows)
    return report


def _chosen(source: Source, streams: Collection[Stream] | None) -> list[Stream]:
    if streams is None:
        return list(source.streams())
    missing = sorted(set(streams) - set(source.streams()))
    if missing:
        raise SourceError(f"{source.name}: no {', '.join(missing)}; the source has {', '.join(source.streams())}")
    return [stream for stream in STREAMS if stream in streams]


def _upload(
    zone: LandingZone,
    source: Source,
    stream: Stream,
    hour: datetime,
    frame: pl.DataFrame,
    format: UploadFormat,
    report: ReplayReport,
) -> ReplayReport:
    name = f"{source.name}-{stream}-{hour:%Y%m%dT%H}.{format}"
    data = encode(frame, format)
    held = zone.holds(stream, hour, name, data)
    if not held:
        zone.write(stream, hour, name, data)
    return replace(
        report,
        objects=report.objects + 1,
        unchanged=report.unchanged + held,
        rows=report.rows + frame.height,
        bytes=report.bytes + len(data),
        first_hour=report.first_hour or hour,
        last_hour=hour,
    )


def _uploads(source: Source, stream: Stream, per: Grain) -> Iterator[tuple[datetime, Stream, pl.DataFrame]]:
    """Cut the frames of a source at landing hours; one hour is held back until the next one begins."""
    slot = pl.col(UPLOADED).dt.truncate("1h")
    if per == "day":
        slot = pl.col(UPLOADED).dt.truncate("1d") + pl.duration(hours=23)
    open_hour: datetime | None = None
    held: list[pl.DataFrame] = []
    for frame in source.read(stream):
        slots = frame.with_columns(slot.alias(UPLOADED)).partition_by(UPLOADED, as_dict=True, include_key=False)
        for (key,), rows in sorted(slots.items(), key=lambda item: item[0]):
            hour = floor_hour(key)
            if open_hour is not None and hour < open_hour:
                raise SourceError(f"{source.name}: {stream} rows of {hour:%Y-%m-%dT%HZ} come too late; sort the frames")
            if open_hour is not None and hour > open_hour:
                yield open_hour, stream, pl.concat(held, how="diagonal")
                held = []
            open_hour = hour
            held.append(rows)
    if open_hour is not None:
        yield open_hour, stream, pl.concat(held, how="diagonal")
