from datetime import UTC, date, datetime, timedelta, timezone

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from churn.sources.mapping import TimeMapping
from churn.sources.times import parse_times


def read(value: object, format: str = "iso", timezone: str = "UTC") -> tuple[datetime | None, str | None]:
    column = pl.Series("at", [value])
    moment, text = parse_times(pl.col("at"), column.dtype, TimeMapping(format=format, timezone=timezone))
    return column.to_frame().select(moment.alias("moment"), text.alias("text")).row(0)


@pytest.mark.parametrize(
    ("value", "format", "timezone", "expected"),
    [
        ("2026-03-28T09:15:00Z", "iso", "Europe/Berlin", "2026-03-28T09:15:00Z"),
        ("2026-03-28 09:15:00", "iso", "Europe/Berlin", "2026-03-28T08:15:00Z"),
        ("2026-03-28T09:15:00.250+05:30", "iso", "UTC", "2026-03-28T03:45:00.250Z"),
        ("2026-03-28 09:15+0100", "iso", "UTC", "2026-03-28T08:15:00Z"),
        ("2026-03-28T09:15", "iso", "UTC", "2026-03-28T09:15:00Z"),
        ("2026-03-28", "iso", "America/New_York", "2026-03-28T04:00:00Z"),
        (" 2026-03-28T09:15:00z ", "iso", "UTC", "2026-03-28T09:15:00Z"),
        ("28.03.2026 09:15", "%d.%m.%Y %H:%M", "Europe/Berlin", "2026-03-28T08:15:00Z"),
        ("03/28/2026 09:15:30 PM -0400", "%m/%d/%Y %I:%M:%S %p %z", "Europe/Berlin", "2026-03-29T01:15:30Z"),
        ("1774689300", "epoch_s", "Europe/Berlin", "2026-03-28T09:15:00Z"),
        (1774689300.5, "epoch_s", "UTC", "2026-03-28T09:15:00.500Z"),
        (1774689300123, "epoch_ms", "UTC", "2026-03-28T09:15:00.123Z"),
        (datetime(2026, 3, 28, 9, 15), "iso", "Europe/Berlin", "2026-03-28T08:15:00Z"),
        (date(2026, 3, 28), "iso", "Europe/Berlin", "2026-03-27T23:00:00Z"),
    ],
)
def test_a_time_is_uploaded_in_utc(value: object, format: str, timezone: str, expected: str) -> None:
    moment, text = read(value, format, timezone)
    assert text == expected
    assert moment == datetime.fromisoformat(expected)


@pytest.mark.parametrize(
    ("local", "utc"),
    [
        ("2026-03-29 01:59", "2026-03-29T00:59:00Z"),
        ("2026-03-29 02:30", "2026-03-29T01:30:00Z"),
        ("2026-03-29 03:00", "2026-03-29T01:00:00Z"),
        ("2026-10-25 01:59", "2026-10-24T23:59:00Z"),
        ("2026-10-25 02:30", "2026-10-25T00:30:00Z"),
        ("2026-10-25 03:00", "2026-10-25T02:00:00Z"),
    ],
    ids=["before-gap", "in-gap", "after-gap", "before-fold", "in-fold", "after-fold"],
)
def test_skipped_and_doubled_hours_of_a_clock_change(local: str, utc: str) -> None:
    assert read(local, "iso", "Europe/Berlin")[1] == utc


@pytest.mark.parametrize("value", ["soon", "", "2026-02-30", "30/13/2026", "2026-03-28T25:00:00Z", "😀"])
@pytest.mark.parametrize("format", ["iso", "%d/%m/%Y", "epoch_s"])
def test_what_is_no_time_stays_as_it_is(value: str, format: str) -> None:
    assert read(value, format) == (None, value)


def test_none_stays_none() -> None:
    column = pl.Series("at", [None], dtype=pl.String)
    moment, text = parse_times(pl.col("at"), column.dtype, TimeMapping())
    assert column.to_frame().select(moment.alias("moment"), text.alias("text")).row(0) == (None, None)


@given(
    moment=st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1)),
    offset=st.integers(-14 * 60, 14 * 60),
)
def test_any_aware_iso_time_keeps_its_moment(moment: datetime, offset: int) -> None:
    aware = moment.replace(tzinfo=timezone(timedelta(minutes=offset)))
    found, text = read(aware.isoformat(), "iso", "Asia/Tokyo")
    assert found == aware
    assert text is not None
    assert datetime.fromisoformat(text).astimezone(UTC) == aware
