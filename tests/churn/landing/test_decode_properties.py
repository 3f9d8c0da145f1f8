import csv
import gzip
import json
import math
from io import BytesIO, StringIO
from typing import Any, Literal

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from churn.errors import UnreadableObject
from churn.landing.decode import decode
from churn.landing.decoded import LINE, Decoded
from churn.landing.formats.json_line import number_text, read_line
from churn.settings import LandingSettings

Format = Literal["jsonl", "csv", "parquet"]
FORMATS = st.sampled_from(["jsonl", "csv", "parquet"])
KEYS = ("id", "amount", "note", "other")
WANTED = KEYS[:3]
LIMITS = LandingSettings(url="landing", max_object_bytes=2**20, max_line_bytes=2**17)

texts = st.text(st.characters(codec="utf-8"), max_size=12)
numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
scalars = st.none() | st.booleans() | numbers | texts
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3))
rows = st.lists(st.dictionaries(st.sampled_from(KEYS) | texts, values, max_size=5), max_size=12)
tables = st.lists(st.tuples(texts, texts, texts, texts), max_size=12)


def read(data: bytes, format: Format, compressed: bool = False) -> Decoded:
    return decode(data, format=format, compressed=compressed, wanted=WANTED, limits=LIMITS)


def lines(decoded: Decoded) -> list[int]:
    return sorted([*decoded.frame[LINE].to_list(), *(line.line for line in decoded.bad_lines)])


def as_json(text: str | None, original: object) -> object:
    """Undo the spelling of a value as text, given the value it came from."""
    return text if text is None or isinstance(original, str) else json.loads(text)


def same(left: Any, right: Any) -> bool:
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, int | float) and isinstance(right, int | float):
        return math.isclose(left, right, rel_tol=1e-15) and isinstance(left, bool) == isinstance(right, bool)
    return bool(left == right)


@given(rows, st.booleans(), st.booleans(), st.data())
def test_json_rows_come_back_with_their_lines(
    rows: list[dict[str, Any]], ascii_only: bool, compressed: bool, data: st.DataObject
) -> None:
    blanks = data.draw(st.lists(st.integers(0, 2), min_size=len(rows), max_size=len(rows)))
    text, expected = "", {}
    for row, blank in zip(rows, blanks, strict=True):
        text += "\r\n" * blank
        expected[text.count("\n") + 1] = row
        text += json.dumps(row, ensure_ascii=ascii_only) + "\n"
    stored = gzip.compress(text.encode()) if compressed else text.encode()
    decoded = read(stored, "jsonl", compressed)
    assert decoded.bad_lines == ()
    assert decoded.frame[LINE].to_list() == list(expected)
    for got in decoded.frame.iter_rows(named=True):
        row = expected[got[LINE]]
        for key in WANTED:
            assert same(as_json(got.get(key), row.get(key)), row.get(key))


@given(rows)
def test_block_and_line_reader_spell_every_value_alike(rows: list[dict[str, Any]]) -> None:
    data = [json.dumps(row).encode() for row in rows]
    whole = read(b"\n".join(data), "jsonl").frame.rows_by_key([LINE], named=True, unique=True)
    for number, line in enumerate(data, 1):
        alone = read_line(line, WANTED, {})
        assert isinstance(alone, dict)
        assert {key: value for key, value in whole[number].items() if value is not None} == {
            key: value for key, value in alone.items() if value is not None
        }


@given(st.from_regex(r"-?(0|[1-9][0-9]{0,18})(\.[0-9]{1,18})?([eE][+-]?[0-9]{1,2})?", fullmatch=True))
def test_block_and_line_reader_spell_every_number_alike(literal: str) -> None:
    decoded = read(f'{{"id": {literal}}}'.encode(), "jsonl")
    assert decoded.frame["id"].to_list() == [number_text(literal)]
    assert float(number_text(literal)) == float(literal)


@given(tables, st.booleans(), st.sampled_from(["\n", "\r\n"]), st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]))
def test_csv_rows_come_back_with_their_lines(
    table: list[tuple[str, ...]], final: bool, end: str, quoting: Literal[0, 1]
) -> None:
    text, expected = StringIO(newline=""), {}
    writer = csv.writer(text, lineterminator=end, quoting=quoting)
    writer.writerow(KEYS)
    for row in table:
        clean = tuple(value.replace("\0", "") for value in row)
        expected[text.getvalue().count("\n") + 1] = clean
        writer.writerow(clean)
    stored = text.getvalue() if final else text.getvalue().removesuffix(end)
    decoded = read(stored.encode(), "csv")
    assert decoded.bad_lines == ()
    assert decoded.frame.rows() == [(*(value or None for value in row[:3]), line) for line, row in expected.items()]


@given(tables)
def test_parquet_rows_come_back_with_their_numbers(table: list[tuple[str, ...]]) -> None:
    target = BytesIO()
    pl.DataFrame(table, schema=dict.fromkeys(KEYS, pl.String()), orient="row").write_parquet(target)
    decoded = read(target.getvalue(), "parquet")
    assert decoded.frame.rows() == [(*row[:3], number) for number, row in enumerate(table, 1)]


def valid_object(format: Format) -> bytes:
    rows = [{"id": f"c{n}", "amount": n / 4, "note": 'a "b", c' if n % 7 == 0 else "é😀"} for n in range(40)]
    target = BytesIO()
    if format == "jsonl":
        return "".join(json.dumps(row, ensure_ascii=n % 2 == 0) + "\n" for n, row in enumerate(rows)).encode()
    if format == "csv":
        pl.DataFrame(rows).write_csv(target)
    else:
        pl.DataFrame(rows).write_parquet(target)
    return target.getvalue()


def check_any(data: bytes, format: Format, compressed: bool = False) -> None:
    try:
        decoded = read(data, format, compressed)
    except UnreadableObject:
        return
    numbers = lines(decoded)
    assert len(set(numbers)) == len(numbers) == decoded.records
    assert decoded.frame.columns[-1] == LINE
    assert set(decoded.frame.columns) <= {*WANTED, LINE}
    if format != "parquet":
        assert set(decoded.frame.schema.values()) <= {pl.String(), pl.Int64()}
        for value in decoded.frame.select(pl.exclude(LINE)).iter_columns():
            assert all(text is None or text.encode() is not None for text in value)
    if format == "jsonl" and not compressed and not decoded.repairs:
        expected = [at for at, line in enumerate(data.split(b"\n"), 1) if line.strip(b" \t\r")]
        assert numbers == expected


@given(st.binary(max_size=200), FORMATS, st.booleans())
def test_any_bytes_are_read_or_refused(data: bytes, format: Format, compressed: bool) -> None:
    check_any(data, format, compressed)
    check_any(gzip.compress(data), format, compressed=True)


syntax = [bytes([code]) for code in b'{}[]",:\n\r\t \\0159.eE-+"\0']
words = [b"null", b"true", b"NaN", b"\\ud83d", b'"id"', b"\xff"]
fragments = st.lists(st.sampled_from([*syntax, *words]), max_size=60).map(b"".join)


@given(fragments, st.sampled_from(["jsonl", "csv"]))
def test_any_text_made_of_syntax_is_read_or_refused(data: bytes, format: Format) -> None:
    check_any(b"id,note\n" + data if format == "csv" else data, format)


@pytest.mark.parametrize("format", ["jsonl", "csv", "parquet"])
@given(data=st.data())
def test_a_damaged_object_is_read_or_refused(format: Format, data: st.DataObject) -> None:
    content = bytearray(valid_object(format))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        how = data.draw(st.sampled_from(["flip", "cut", "insert"]))
        if how == "flip":
            content[at] = data.draw(st.integers(0, 255))
        elif how == "insert":
            content[at:at] = data.draw(st.binary(min_size=1, max_size=8))
        else:
            del content[at : at + data.draw(st.integers(1, 40))]
    check_any(bytes(content), format)


fields = st.sampled_from([b"", b" ", b"x", b"5\r6", b'""', b'"x"', b'"a\nb"', b'"a""b"', b'"\r\n,"', b"\xff", b"\0"])
records = st.lists(st.lists(fields, max_size=3).map(b",".join), max_size=8)


@given(records, st.sampled_from([b"\n", b"\r\n"]))
def test_block_and_record_reader_of_csv_agree(records: list[bytes], end: bytes) -> None:
    """A stray quote in the last record sends a whole object to the record reader."""
    clean = end.join([b"id,note", *records, b"last,record"])
    by_block, by_record = read(clean, "csv"), read(clean + b'"', "csv")
    assert by_record.frame.rows()[:-1] == by_block.frame.rows()[:-1]
    assert by_record.bad_lines == by_block.bad_lines
    assert by_record.frame["note"].to_list()[-1] == 'record"'
