"""Whole UTC hours: the grain of the landing zone and of `available_at`."""

from datetime import UTC, datetime, timedelta

from churn.errors import ChurnError

HOUR = timedelta(hours=1)


def floor_hour(moment: datetime) -> datetime:
    """Return the start of the UTC hour that holds `moment`; a naive time is refused."""
    if moment.tzinfo is None:
        raise ValueError(f"{moment.isoformat()} has no time zone; pass an aware datetime")
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def end_of_hour(moment: datetime) -> datetime:
    """Return the end of the UTC hour that holds `moment`; on the hour exactly, the moment itself.

    A decision taken at 10:00:00 sharp knows what landed until 10:00, so its hour ends there.
    """
    start = floor_hour(moment)
    return start if start == moment else start + HOUR


def parse_moment(text: str) -> datetime:
    """Read an ISO 8601 time; one without a zone is taken as UTC.

    Raises:
        ValueError: the text is no ISO 8601 time.
    """
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def past_moment(text: str, present: datetime) -> datetime:
    """Read the ISO 8601 time up to which a run takes hours: what lands in an hour closed too early would be late.

    Raises:
        ChurnError: the text is no such time, or the time has not come yet.
    """
    try:
        moment = parse_moment(text)
    except ValueError:
        raise ChurnError(f"until: {text!r} is no ISO 8601 time, such as 2026-03-01T10:00") from None
    if moment > present:
        raise ChurnError(f"until: {text} has not come yet, its hours are still open; leave it out to take what is due")
    return moment
