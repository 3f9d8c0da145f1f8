import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from churn.contracts import ContractField
from churn.validation.casts import Cast
from churn.validation.timestamps import cast_timestamp

TIME = ContractField(name="at", type="timestamp")
LAYOUTS = [
    "2026-01-02T03:04:05Z",
    "2026-01-02 03:04:05.5",
    "2026-01-02T03:04:05.123+02:00",
    "2026-01-02T03:04:05.123456-0330",
    "2026-01-02 03:04:05",
]
NUMBERS = st.tuples(
    st.sampled_from([0, 1, 4, 100, 400, 1582, 1900, 1970, 2000, 2024, 2026, 9999]) | st.integers(0, 9999),
    st.integers(0, 13),
    st.integers(0, 32),
    st.integers(0, 25),
    st.sampled_from([0, 30, 59, 60, 99]),
    st.sampled_from([0, 30, 59, 60, 99]),
)
SLIPS = st.none() | st.tuples(st.integers(0, 30), st.sampled_from("0 9:.-+TZtaé/\n"))


def read(*values: str | None) -> tuple[object, str | None, set[str]]:
    """What becomes of the second value: itself, its fault, its repairs."""
    cast: Cast = cast_timestamp(pl.Series(values, dtype=pl.String), TIME, "Europe/Berlin")
    fault = None if cast.fault is None else cast.fault[1]
    # As a number: year 10,000 in UTC is none that Python could hold.
    return cast.values.to_physical()[1], fault, {kind for kind, rows in cast.repairs.items() if rows[1]}


@pytest.mark.parametrize("like", LAYOUTS)
@given(numbers=NUMBERS, slip=SLIPS)
@example(numbers=(2024, 2, 29, 0, 0, 0), slip=None)
@example(numbers=(1900, 2, 29, 0, 0, 0), slip=None)
@example(numbers=(2026, 12, 31, 23, 59, 59), slip=None)
@example(numbers=(2026, 3, 29, 2, 30, 0), slip=None)
@example(numbers=(2026, 4, 31, 0, 0, 0), slip=None)
def test_a_time_means_the_same_whatever_stands_beside_it(
    like: str, numbers: tuple[int, ...], slip: tuple[int, str] | None
) -> None:
    year, month, day, hour, minute, second = numbers
    text = f"{year:04}-{month:02}-{day:02}{like[10]}{hour:02}:{minute:02}:{second:02}{like[19:]}"
    if slip is not None:
        text = text[: slip[0]] + slip[1] + text[slip[0] + 1 :]

    # A value of another length has every row read by itself; a null in between moves nothing.
    assert read(like, text) == read(like, text, "2026-01-02") == read(like, text, None)


def test_times_of_several_blocks_come_back_in_order() -> None:
    # given more rows than a block, some null, and one block with a row in another layout
    moments = pl.datetime_range(
        pl.datetime(2023, 12, 31), pl.datetime(2024, 12, 31), "7m", eager=True, time_unit="us", time_zone="UTC"
    )
    text = moments.dt.to_string("%Y-%m-%dT%H:%M:%SZ").to_frame("at").with_row_index()
    text = text.with_columns(
        at=pl.when(pl.col("index") == 40_000)
        .then(pl.lit("2024-07-12 10:40:00+00:00"))
        .when(pl.col("index") % 7 != 3)
        .then("at")
    )

    cast = cast_timestamp(text["at"], TIME, "UTC")

    assert cast.fault is None
    expected = moments.to_frame("at").with_columns(at=pl.when(text["at"].is_not_null()).then("at"))["at"]
    assert moments[40_000].isoformat() == "2024-07-12T10:40:00+00:00"
    assert cast.values.equals(expected)
