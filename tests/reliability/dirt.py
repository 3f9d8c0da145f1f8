"""Hypothesis strategies for landing objects with all kinds of rows, good and bad."""

import csv
import io
import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

import polars as pl
from hypothesis import strategies as st

from tests.world import START

Row = dict[str, str | None]
COLUMNS = ("event_id", "customer_id", "event_time", "event_type", "amount", "item_id", "note", "store")

_PAST = (START - timedelta(days=2)).isoformat()
_VALUES: dict[str, list[str | None]] = {
    "event_id": [None, "", "e1", " e1", "e2", "e3", "e4", "anna@example.org", "x" * 200],
    "customer_id": ["c1", "c2", " c2 ", "13995.0", "13995", "Jürgen", "😀", None, ""],
    "event_time": [
        _PAST,
        _PAST.replace("T10", "T09"),
        "2026-02-27",
        "2026-02-27 10:00",
        "1980-01-01",
        "9999-12-31",
        "soon",
    ],
    "event_type": ["purchase", "login", " login", None, "a\x07b"],
    "amount": ["12.50", "12.5", "1e3", "-0", None, "NaN", "inf", "9" * 30, "1.23456", "many"],
    "item_id": [None, "i1", "=cmd", "[1]", "a@b.cd"],
    "note": [None, "call Jürgen"],
    "store": [None, "north", "Königstraße 12", "+49 171 5550187"],
}
rows: st.SearchStrategy[Row] = st.fixed_dictionaries({name: st.sampled_from(_VALUES[name]) for name in COLUMNS})
_BROKEN = {
    "jsonl": [b'{"event_id": ', b'{"event_id": "\xff\xfe"}', b"[1]", b'{"event_id": "\x00"}', b"null", b'"x"'],
    "csv": [b"a,b", b"\xff,,,,,,,", b"\x00,c,,,,,,", b"," * 20],
}


@dataclass(frozen=True)
class Dirty:
    """A landing object: sound and unsound rows in one format, and lines that are no rows at all."""

    format: Literal["jsonl", "csv", "parquet"]
    rows: tuple[Row, ...]
    broken: tuple[bytes, ...] = ()

    @property
    def records(self) -> int:
        return len(self.rows) + len(self.broken)

    @property
    def data(self) -> bytes:
        if self.format == "parquet":
            buffer = io.BytesIO()
            pl.DataFrame(list(self.rows), schema=dict.fromkeys(COLUMNS, pl.String())).write_parquet(buffer)
            return buffer.getvalue()
        if self.format == "jsonl":
            return b"\n".join([*(json.dumps(row).encode() for row in self.rows), *self.broken])
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        return text.getvalue().encode() + b"\n".join(self.broken)


@st.composite
def objects(draw: st.DrawFn, broken: bool = True) -> Dirty:
    """Draw one object of a few rows."""
    format: Literal["jsonl", "csv", "parquet"] = draw(st.sampled_from(["jsonl", "csv", "parquet"]))
    lines = draw(st.lists(st.sampled_from(_BROKEN[format]), max_size=2)) if broken and format != "parquet" else []
    return Dirty(format, tuple(draw(st.lists(rows, max_size=8))), tuple(lines))
