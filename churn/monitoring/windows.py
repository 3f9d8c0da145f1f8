"""Which windows of the live version are complete, and which one is not yet."""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from churn.monitoring.settings import MonitoringSettings

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Window(NamedTuple):
    """From a moment on, up to another one that is not included."""

    start: datetime
    end: datetime


class Windows(NamedTuple):
    """The last n complete windows, oldest first, and what came after them; none where nothing did."""

    complete: tuple[Window, ...]
    partial: Window | None


def windows_of(
    live_since: datetime, closed_until: datetime | None, at: datetime, settings: MonitoringSettings
) -> Windows:
    """Cut the life of a version into windows that begin at full multiples of their length, in UTC.

    A window is complete when the version answered throughout it and ingestion has read the landing zone through its end
    and the time that the prediction log may take to arrive.

    Args:
        live_since: when the version went to production.
        closed_until: end of the last landing hour of predictions that was read; none before the first.
        at: the time.
        settings: lengths.
    """
    length = timedelta(hours=settings.window_hours)
    known = min(closed_until, at) - timedelta(hours=settings.settle_hours) if closed_until else live_since
    first = _EPOCH + -((_EPOCH - live_since) // length) * length
    count = max((known - first) // length, 0)
    kept = range(max(0, count - settings.drift.windows), count)
    complete = tuple(Window(first + i * length, first + (i + 1) * length) for i in kept)
    begin = first + count * length if count else live_since
    return Windows(complete, Window(begin, at) if begin < at else None)
