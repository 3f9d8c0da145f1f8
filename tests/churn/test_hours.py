from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from churn.errors import ChurnError
from churn.hours import HOUR, end_of_hour, floor_hour, parse_moment, past_moment

zones = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
moments = st.datetimes(datetime(1970, 1, 2), datetime(2200, 1, 1), timezones=zones)


@given(moments)
def test_moment_lies_in_its_hour(moment: datetime) -> None:
    start, end = floor_hour(moment), end_of_hour(moment)

    assert start <= moment < start + HOUR
    assert moment <= end < moment + HOUR
    assert {start.utcoffset(), end.utcoffset()} == {timedelta(0)}
    assert (start.minute, start.second, start.microsecond) == (0, 0, 0)
    assert (end.minute, end.second, end.microsecond) == (0, 0, 0)


@given(moments)
def test_whole_hours_are_fixed_points(moment: datetime) -> None:
    start = floor_hour(moment)

    assert floor_hour(start) == end_of_hour(start) == start


def test_hour_is_a_utc_hour_in_zones_with_half_hours() -> None:
    india = timezone(timedelta(hours=5, minutes=30))

    assert floor_hour(datetime(2026, 1, 1, 12, 15, tzinfo=india)) == datetime(2026, 1, 1, 6, tzinfo=UTC)


@pytest.mark.parametrize("hour", [floor_hour, end_of_hour])
def test_naive_moment_is_refused(hour: Callable[[datetime], datetime]) -> None:
    with pytest.raises(ValueError, match="no time zone"):
        hour(datetime(2026, 1, 1))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-01", datetime(2026, 1, 1, tzinfo=UTC)),
        ("2026-01-01T10:30", datetime(2026, 1, 1, 10, 30, tzinfo=UTC)),
        ("2026-01-01T10:30Z", datetime(2026, 1, 1, 10, 30, tzinfo=UTC)),
        ("2026-01-01T10:30+02:00", datetime(2026, 1, 1, 8, 30, tzinfo=UTC)),
    ],
)
def test_moment_reads_as_utc(text: str, expected: datetime) -> None:
    moment = parse_moment(text)

    assert moment == expected
    assert moment.utcoffset() == timedelta(0)


@given(moments)
def test_written_moment_reads_back(moment: datetime) -> None:
    assert parse_moment(moment.isoformat()) == moment


def test_text_that_is_no_time_is_refused() -> None:
    with pytest.raises(ValueError, match="yesterday"):
        parse_moment("yesterday")


def test_a_run_may_close_hours_up_to_the_present_and_no_further() -> None:
    present = datetime(2026, 3, 1, 10, tzinfo=UTC)

    assert past_moment("2026-03-01T10:00", present) == present
    for text in ("2026-03-01T10:00:01", "2026-03-01T10:30+00:15"):
        with pytest.raises(ChurnError, match="has not come yet"):
            past_moment(text, present)
    with pytest.raises(ChurnError, match="'soon' is no ISO 8601 time"):
        past_moment("soon", present)
