import json
from decimal import Decimal
from io import BytesIO
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa  # type: ignore[import-untyped, unused-ignore]
import pyarrow.parquet as pq  # type: ignore[import-untyped, unused-ignore]
from hypothesis import given
from hypothesis import strategies as st

from churn.errors import UnreadableObject
from churn.settings import LandingSettings
from tests.churn.landing.decoding import bad, column, parquet, read, reason


def test_parquet_keeps_types_and_gives_nested_values_as_json() -> None:
    data = parquet({"id": [1, 2], "amount": [1.5, None], "note": [[1], None], "other": ["a", "b"]})
    decoded = read(data, "parquet")
    assert decoded.frame.rows() == [(1, 1.5, "[1]", 1), (2, None, None, 2)]
    assert decoded.frame.schema["amount"] == pl.Float64
    assert decoded.seen["other"] == "String"
    nested = parquet({"note": [{"b": "é", "a": [1]}, None]})
    assert read(nested, "parquet").frame["note"].to_list() == ['{"b": "é", "a": [1]}', None]


@given(
    st.lists(
        st.none()
        | st.fixed_dictionaries(
            {
                "x": st.none() | st.floats(width=32, allow_nan=False, allow_infinity=False),
                "n": st.none() | st.integers(-(2**63), 2**63 - 1),
                "code": st.none() | st.text(max_size=8),
                "ok": st.none() | st.booleans(),
            }
        ),
        min_size=1,
        max_size=9,
    )
)
def test_objects_of_plain_values_keep_every_value(objects: list[dict[str, Any] | None]) -> None:
    kind = pl.Struct({"x": pl.Float32(), "n": pl.Int64(), "code": pl.String(), "ok": pl.Boolean()})
    data = parquet({"note": pl.Series(objects, dtype=kind)})

    texts = read(data, "parquet").frame["note"].to_list()

    found = [None if text is None else json.loads(text) for text in texts]
    narrowed = [item and {**item, "x": item["x"] and float(np.float32(item["x"]))} for item in found]
    assert narrowed == objects


def test_objects_with_anything_else_are_written_value_by_value() -> None:
    assert read(parquet({"note": [{"x": float("nan")}]}), "parquet").frame["note"].to_list() == ['{"x": NaN}']
    assert read(parquet({"note": [{"x": Decimal("1.50")}]}), "parquet").frame["note"].to_list() == ['{"x": "1.50"}']


def test_parquet_text_in_other_clothes_becomes_text() -> None:
    data = parquet({"id": [b"a", b"\xff", None], "note": pl.Series(["x", "y", "x"], dtype=pl.Categorical())})
    decoded = read(data, "parquet")
    assert decoded.frame.rows() == [("a", "x", 1), (None, "x", 3)]
    assert bad(decoded) == {2: "invalid_utf8"}


def test_parquet_without_rows_or_without_wanted_columns() -> None:
    assert read(parquet({"id": []}), "parquet").records == 0
    decoded = read(parquet({"other": [1, 2]}), "parquet")
    assert decoded.frame.rows() == [(1,), (2,)]
    assert decoded.seen == {"other": "Int64"}


def test_parquet_text_that_is_not_utf8_costs_its_row() -> None:
    offsets = pa.py_buffer(b"".join(at.to_bytes(4, "little") for at in (0, 1, 2, 3)))
    target = BytesIO()
    pq.write_table(
        pa.table({"id": pa.Array.from_buffers(pa.string(), 3, [None, offsets, pa.py_buffer(b"a\xffb")])}), target
    )
    decoded = read(target.getvalue(), "parquet")
    assert column(decoded, "id") == {1: "a", 3: "b"}
    assert bad(decoded) == {2: "invalid_utf8"}


def test_a_parquet_value_stored_once_and_repeated_by_every_row_is_too_large() -> None:
    limits = LandingSettings(url="landing", max_object_bytes=20_000_000)
    data = parquet({"id": pl.repeat("x" * 10_000, 100_000, eager=True)})
    assert len(data) < 100_000
    assert reason(data, "parquet", limits=limits) == "too_large"


def test_a_parquet_page_of_absurd_size_is_refused_and_aborts_nothing() -> None:
    """Every byte of the page headers and the footer is flipped once; the reader of Polars aborts on some of them."""
    target = BytesIO()
    frame = pl.DataFrame({"id": [f"c{n}" for n in range(30)], "note": [["x"] * (n % 3) for n in range(30)]})
    frame.write_parquet(target, compression="uncompressed")
    data = target.getvalue()
    outcomes = set()
    for at in range(len(data)):
        damaged = bytearray(data)
        damaged[at] ^= 0xFF
        try:
            outcomes.add(str(read(bytes(damaged), "parquet").records))
        except UnreadableObject as error:
            outcomes.add(error.reason)
    assert outcomes <= {"30", "corrupt_parquet", "too_large", "duplicate_column"}
    assert {"30", "corrupt_parquet"} <= outcomes


def test_damaged_parquet_is_refused() -> None:
    data = parquet({"id": [f"{n:032}" for n in range(1_000)]})
    for damaged in (b"", b"PAR1", b"PAR1PAR1", data[:-1], data[:100], data[100:], b"x" + data):
        assert reason(damaged, "parquet") == "corrupt_parquet"
