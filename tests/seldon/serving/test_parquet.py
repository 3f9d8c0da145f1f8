import io
from typing import Any

import duckdb
import polars as pl
import pyarrow.parquet as pq  # type: ignore[import-untyped, unused-ignore]
from hypothesis import given
from hypothesis import strategies as st

from seldon.serving.parquet import Column, Kind, text, texts, write_parquet

_SCHEMA = pl.Schema(
    {
        "key": pl.String(),
        "at": pl.Datetime("us", "UTC"),
        "count": pl.Int64(),
        "share": pl.Float64(),
        "ok": pl.Boolean(),
        "given": pl.Struct({"x": pl.Float32(), "code": pl.String()}),
    }
)
_KINDS: dict[str, Kind] = {"at": "moment", "count": "integer", "share": "double", "ok": "flag"}
_ROWS = st.lists(
    st.tuples(
        st.text(max_size=20),
        st.integers(-(2**50), 2**50),
        st.integers(-(2**63), 2**63 - 1),
        st.floats(allow_nan=False),
        st.booleans(),
        st.none() | st.floats(width=32, allow_nan=False),
        st.none() | st.text(max_size=9),
    ),
    min_size=1,
    max_size=70,
)


@given(_ROWS)
def test_two_readers_find_what_was_written(rows: list[tuple[Any, ...]]) -> None:
    expected = pl.DataFrame(
        [(*row[:5], {"x": row[5], "code": row[6]}) for row in rows],
        schema=_SCHEMA | {"at": pl.Int64()},
        orient="row",
    ).cast(_SCHEMA)
    x, code = (expected["given"].struct.field(name) for name in ("x", "code"))

    content = write_parquet(
        [
            Column(("key",), "text", b"".join(text(value.encode()) for value in expected["key"])),
            *(Column((name,), kind, expected[name].to_physical().to_numpy()) for name, kind in _KINDS.items()),
            Column(("given", "x"), "float", x.drop_nulls().to_numpy(), x.is_not_null().to_numpy()),
            Column(
                ("given", "code"),
                "text",
                b"".join(text(value.encode()) for value in code.drop_nulls()),
                code.is_not_null().to_numpy(),
            ),
        ],
        len(rows),
    )

    assert pl.read_parquet(content).equals(expected)
    by_arrow = pl.from_arrow(pq.read_table(io.BytesIO(content)))
    assert isinstance(by_arrow, pl.DataFrame)
    assert by_arrow.equals(expected)


def test_duckdb_reads_many_rows_too(tmp_path: Any) -> None:
    frame = pl.select(n=pl.int_range(20_000), even=pl.int_range(20_000) % 2 == 0)
    codes = b"".join(text(b"%d" % n) for n in frame["n"].filter(frame["even"]))
    columns = [
        Column(("n",), "integer", frame["n"].to_numpy()),
        Column(("code",), "text", codes, frame["even"].to_numpy()),
    ]
    (tmp_path / "x.parquet").write_bytes(write_parquet(columns, 20_000))

    found = duckdb.sql(f"select sum(n), count(code), max(n::text = code) from '{tmp_path}/x.parquet'").fetchall()

    assert found == [(199_990_000, 10_000, True)]


@given(st.lists(st.one_of(st.binary(max_size=9), st.integers(250, 260).map(bytes))))
def test_texts_are_laid_out_as_each_would_be(values: list[bytes]) -> None:
    assert texts(values) == b"".join(map(text, values))
