from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing.parametric import dtypes, series

from churn.contracts import load_contract
from churn.validation.reasons import REASONS, REPAIRS
from churn.validation.validate import validate

ACTIVITY = load_contract("activity")
EXAMPLES = 40
NAMES = [*ACTIVITY.source_names(), *ACTIVITY.attributes, "attributes", "unknown"]
AWKWARD = st.one_of(
    st.none(),
    st.text(max_size=6),
    st.floats().map(str),
    st.integers().map(str),
    st.datetimes(timezones=st.just(UTC) | st.none()).map(str),
    st.sampled_from(
        ["", " ", "a@b.c", "\x00", "=cmd", "13995.0", "1e999", "NaN", "-0", "{", "[1]", "9999-12-31", "🛒"]
    ),
    st.sampled_from(["2025-03-30T02:30:00", "2025-10-26T02:30:00", "2026-01-01T00:00:00Z", "2026-01-01 00:00:00.1"]),
    st.sampled_from(['{"store": "A"}', '{"store": 1, "x": [{}]}', "{}", "null", "-", "+", ".", "1.", "Z", "x" * 200]),
    st.sampled_from(["0000-00-00", "2026-02-30"]),
)


@st.composite
def frames(draw: st.DrawFn) -> pl.DataFrame:
    """Columns named like ours, of any type, holding anything."""
    height = draw(st.integers(0, 6))
    names = draw(st.lists(st.sampled_from(NAMES), unique=True, max_size=7))
    columns: list[pl.Series] = []
    for name in names:
        if draw(st.booleans()):
            texts = draw(st.lists(AWKWARD, min_size=height, max_size=height))
            columns.append(pl.Series(name, texts, dtype=pl.String))
        else:
            dtype: Any = draw(dtypes(nesting_level=2))
            columns.append(draw(series(name=name, dtype=dtype, min_size=height, max_size=height)))
    return pl.DataFrame(
        [
            *columns,
            pl.Series("__object", [row % 2 for row in range(height)], dtype=pl.UInt32),
            pl.Series("__line", list(range(height)), dtype=pl.Int64),
            pl.Series("available_at", [datetime(2026, 2, 1, tzinfo=UTC)] * height, dtype=pl.Datetime("us", "UTC")),
        ]
    )


@settings(
    deadline=None, max_examples=EXAMPLES, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(frames(), st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata"]))
def test_every_row_of_any_frame_is_accepted_or_rejected_once(frame: pl.DataFrame, timezone: str) -> None:
    result = validate(frame, ACTIVITY, timezone=timezone, skew=timedelta(minutes=5))
    lines = [*result.frame["__line"], *result.rejects["__line"]]
    assert sorted(lines) == list(range(frame.height))
    assert set(result.rejects["reason"]) <= set(REASONS)
    assert {kind.split(":")[0] for kind in result.repairs["kind"]} <= set(REPAIRS)
    assert set(result.rejects["column"]) <= set(ACTIVITY.columns)
    assert all(result.frame[name].null_count() == 0 for name in ACTIVITY.required)
    assert {name: result.frame.schema[name] for name in ACTIVITY.columns} == {f.name: f.dtype for f in ACTIVITY.fields}


@settings(
    deadline=None, max_examples=EXAMPLES, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(frames())
def test_validating_rows_one_by_one_gives_the_same(frame: pl.DataFrame) -> None:
    def run(part: pl.DataFrame) -> tuple[list[Any], list[Any], list[Any]]:
        result = validate(part, ACTIVITY, timezone="Europe/Berlin", skew=timedelta(minutes=5))
        repairs = [kind for kind, rows in result.repairs.select("kind", "rows").rows() for _ in range(rows)]
        return result.frame.rows(), result.rejects.rows(), sorted(repairs)

    together = run(frame)
    alone = [run(frame.slice(row, 1)) for row in range(frame.height)]
    assert together == (
        [row for accepted, _, _ in alone for row in accepted],
        [row for _, rejected, _ in alone for row in rejected],
        sorted(kind for _, _, kinds in alone for kind in kinds),
    )
