from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from churn.contracts import ContractField
from churn.validation.timestamps import cast_timestamp
from churn.validation.validate import Validated

Check = Callable[..., Validated]
WHEN = ContractField(name="event_time", type="timestamp")
GOOD = "2026-01-02T03:04:05Z"


@pytest.mark.parametrize(
    ("text", "then", "repairs"),
    [
        ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05", []),
        ("2026-01-02 03:04:05Z", "2026-01-02T03:04:05", []),
        ("2026-01-02t03:04:05z", "2026-01-02T03:04:05", []),
        ("2026-01-02T03:04Z", "2026-01-02T03:04:00", []),
        ("2026-01-02T03:04:05.6Z", "2026-01-02T03:04:05.600000", []),
        ("2026-01-02T03:04:05,678Z", "2026-01-02T03:04:05.678000", []),
        ("2026-01-02T03:04:05.123456Z", "2026-01-02T03:04:05.123456", []),
        ("2026-01-02T03:04:05.123456000Z", "2026-01-02T03:04:05.123456", []),
        ("2026-01-02T03:04:05.123456789Z", "2026-01-02T03:04:05.123456", ["truncated_time:event_time"]),
        ("2026-01-02T03:04:05+02:00", "2026-01-02T01:04:05", []),
        ("2026-01-02T03:04:05+0200", "2026-01-02T01:04:05", []),
        ("2026-01-02T03:04:05+02", "2026-01-02T01:04:05", []),
        ("2026-01-02 03:04:05.5 -03:30", "2026-01-02T06:34:05.500000", []),
        ("2026-01-02T03:04:05+00:00", "2026-01-02T03:04:05", []),
        (" 2026-01-02T03:04:05Z\n", "2026-01-02T03:04:05", ["trimmed:event_time"]),
        ("2026-01-02", "2026-01-02T00:00:00", ["date_only:event_time"]),
        ("2026-01-02T03:04:05", "2026-01-02T03:04:05", ["naive_time:event_time"]),
        ("2026-01-02 03:04", "2026-01-02T03:04:00", ["naive_time:event_time"]),
        ("2024-02-29T00:00:00Z", "2024-02-29T00:00:00", []),
    ],
)
@pytest.mark.parametrize("others", [[], [GOOD], ["1997-01-01"]])
def test_iso_text_becomes_utc_whatever_the_rows_around_it(
    check: Check, text: str, then: str, repairs: list[str], others: list[str]
) -> None:
    result = check({"event_time": [*others, text]})
    expected = datetime.fromisoformat(then).replace(tzinfo=UTC)
    assert result.frame["event_time"].to_list()[-1] == expected
    assert result.frame["event_date"].to_list()[-1] == expected.date()
    extra = {"date_only:event_time"} if others == ["1997-01-01"] else set()
    assert set(result.repairs["kind"]) == set(repairs) | extra


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1767323045", "wrong_type"),
        ("1767323045000", "wrong_type"),
        ("02/01/2026", "wrong_type"),
        ("2026-1-2", "wrong_type"),
        ("2026-01-02T3:04:05Z", "wrong_type"),
        ("2026-02-30T00:00:00Z", "wrong_type"),
        ("2025-02-29", "wrong_type"),
        ("2026-13-01", "wrong_type"),
        ("2026-01-02T24:00:00Z", "wrong_type"),
        ("2026-01-02T03:60:00Z", "wrong_type"),
        ("2026-01-02T03:04:60Z", "wrong_type"),
        ("2026-01-02T03:04:05.1234567890Z", "wrong_type"),
        ("2026-01-02T03:04:05+25:00", "wrong_type"),
        ("2026-01-02T03:04:05 CET", "wrong_type"),
        ("+2026-01-02T03:04:05Z", "wrong_type"),
        ("2026-01-02T03:04:05Z\x00", "wrong_type"),
        ("yesterday", "wrong_type"),
        ("=NOW()", "wrong_type"),
        ("9999-12-31T23:59:59Z", "in_the_future"),
        ("9999-12-31T23:59:59-12:00", "in_the_future"),
        ("2026-02-01T00:05:00.000001Z", "in_the_future"),
        ("1989-12-31T23:59:59.999999Z", "before_floor"),
        ("0000-01-01T00:00:00Z", "before_floor"),
        ("0001-01-01T00:00:00+14:00", "before_floor"),
        ("", "missing"),
        ("  ", "missing"),
    ],
)
@pytest.mark.parametrize("others", [[], [GOOD], ["1997-01-01"]])
def test_bad_time_is_rejected(check: Check, text: str, reason: str, others: list[str]) -> None:
    result = check({"event_time": [*others, text]})
    assert result.rejects.rows() == [(0, len(others) + 1, reason, "event_time")]
    assert result.frame.height == len(others)


def test_time_at_the_very_bounds_is_kept(check: Check) -> None:
    result = check({"event_time": ["1990-01-01T00:00:00Z", "2026-02-01T00:05:00Z"]})
    assert result.frame.height == 2


@pytest.mark.parametrize("shape", ["{}", "{}.5", "{} "])
def test_local_time_across_a_clock_change(check: Check, shape: str) -> None:
    clock = ["2025-10-26T01:59:59", "2025-10-26T02:30:00", "2025-10-26T03:00:00", "2025-03-30T02:30:00"]
    result = check({"event_time": [shape.format(text) for text in clock]}, timezone="Europe/Berlin")
    assert result.frame["event_time"].dt.strftime("%d %H:%M").to_list() == ["25 23:59", "26 02:00"]
    assert result.rejects.select("__line", "reason").rows() == [
        (2, "ambiguous_local_time"),
        (4, "nonexistent_local_time"),
    ]


def test_zone_in_the_text_beats_the_configured_one(check: Check) -> None:
    result = check({"event_time": [GOOD, "2025-10-26T02:30:00+02:00"]}, timezone="Europe/Berlin")
    assert [moment.hour for moment in result.frame["event_time"]] == [3, 0]


def test_date_is_midnight_where_the_source_lives(check: Check) -> None:
    result = check({"event_time": ["2025-07-01"]}, timezone="Europe/Berlin")
    assert result.frame["event_time"].to_list() == [datetime(2025, 6, 30, 22, tzinfo=UTC)]


NOON = datetime(2025, 7, 1, 12)


@pytest.mark.parametrize(
    ("values", "dtype", "then", "kinds"),
    [
        ([NOON], pl.Datetime("us", "UTC"), 12, []),
        ([NOON], pl.Datetime("ms", "UTC"), 12, []),
        ([NOON], pl.Datetime("ns", "Europe/Berlin"), 10, []),
        ([NOON], pl.Datetime("us"), 10, ["naive_time:event_time"]),
        ([NOON], pl.Datetime("ns"), 10, ["naive_time:event_time"]),
        ([date(2025, 7, 1)], pl.Date, 22, ["date_only:event_time"]),
    ],
)
def test_native_time_becomes_utc_microseconds(
    check: Check, values: list[Any], dtype: Any, then: int, kinds: list[str]
) -> None:
    zone = getattr(dtype, "time_zone", None)
    naive = pl.Datetime(dtype.time_unit) if isinstance(dtype, pl.Datetime) else dtype
    column = pl.Series(values, dtype=naive)
    column = column.dt.replace_time_zone(zone) if zone else column
    result = check({"event_time": column}, timezone="Europe/Berlin")
    assert result.frame.schema["event_time"] == pl.Datetime("us", "UTC")
    assert [moment.hour for moment in result.frame["event_time"]] == [then]
    assert result.repairs["kind"].to_list() == kinds


def test_nanoseconds_are_cut_and_counted(check: Check) -> None:
    ticks = pl.Series([1_700_000_000_123_456_789, 1_700_000_000_123_456_000])
    result = check({"event_time": ticks.cast(pl.Datetime("ns", "UTC"))})
    assert result.frame["event_time"].dt.microsecond().to_list() == [123456, 123456]
    assert result.repairs.select("kind", "rows").rows() == [("truncated_time:event_time", 1)]


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "Asia/Kolkata"])
def test_native_time_at_the_ends_of_its_range_does_not_crash(check: Check, unit: Any, zone: str | None) -> None:
    ticks = pl.Series([-(2**63), -(2**63) + 1, 2**63 - 1, 0], dtype=pl.Int64)
    result = check({"event_time": ticks.cast(pl.Datetime(unit, zone))}, timezone="America/New_York")
    assert result.rejects["reason"].to_list() == ["before_floor", "before_floor", "in_the_future", "before_floor"]


@pytest.mark.parametrize("days", [-(2**31), 2**31 - 1])
def test_date_at_the_ends_of_its_range_does_not_crash(check: Check, days: int) -> None:
    result = check({"event_time": pl.Series([days], dtype=pl.Int32).cast(pl.Date)}, timezone="Asia/Kolkata")
    assert result.rejects["reason"].to_list() == ["before_floor" if days < 0 else "in_the_future"]


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([1767323045], pl.Int64),
        ([1767323045.5], pl.Float64),
        ([True], pl.Boolean),
        ([time(1)], pl.Time),
        ([timedelta(1)], pl.Duration("us")),
        ([[NOON]], pl.List(pl.Datetime("us"))),
        ([GOOD.encode()], pl.Binary),
    ],
)
def test_column_that_holds_no_time_is_rejected(check: Check, values: list[Any], dtype: Any) -> None:
    result = check({"event_time": pl.Series([*values, None], dtype=dtype)})
    assert result.rejects["reason"].to_list() == ["wrong_type", "missing"]


ZONES = st.timedeltas(timedelta(hours=-15), timedelta(hours=15)).map(
    lambda east: timezone(timedelta(minutes=east // timedelta(minutes=1)))
)
MOMENTS = st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1), timezones=st.just(UTC) | ZONES)


@given(st.lists(st.tuples(MOMENTS, st.sampled_from("T "), st.sampled_from(["auto", "milliseconds", "microseconds"]))))
def test_any_mix_of_iso_layouts_reads_as_python_reads_it(rows: list[tuple[datetime, str, str]]) -> None:
    texts = [moment.isoformat(separator, precision) for moment, separator, precision in rows]
    cast = cast_timestamp(pl.Series(texts, dtype=pl.String), WHEN, "UTC")
    assert cast.values.to_list() == [datetime.fromisoformat(text).astimezone(UTC) for text in texts]
    assert cast.fault is None or cast.fault.null_count() == len(texts)


@given(st.lists(st.datetimes(datetime(1990, 1, 1), datetime(2030, 1, 1)), min_size=1))
def test_rows_around_it_never_change_how_a_local_time_is_read(moments: list[datetime]) -> None:
    texts = pl.Series([moment.isoformat() for moment in moments])
    together = cast_timestamp(texts, WHEN, "Europe/London")
    for position, text in enumerate(texts):
        alone = cast_timestamp(pl.Series([None, text]), WHEN, "Europe/London")
        assert alone.values[1] == together.values[position]
        assert (alone.fault is None or alone.fault[1] is None) == (
            together.fault is None or together.fault[position] is None
        )
