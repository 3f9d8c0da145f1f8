import gzip
import resource
import time
from io import BytesIO

import polars as pl
import pyarrow as pa  # type: ignore[import-untyped, unused-ignore]
import pyarrow.parquet as pq  # type: ignore[import-untyped, unused-ignore]
import pytest

from churn.errors import UnreadableObject
from churn.landing.decoded import LINE
from tests.churn.landing.decoding import LIMITS, TIGHT, Format, bad, column, parquet, read, reason


def test_jsonl_gives_the_text_of_wanted_values_and_the_types_of_all_keys() -> None:
    decoded = read(b'{"id": "a", "amount": 12.340, "other": [1]}\n{"id": 5, "amount": null, "note": {"x": true}}\n')
    assert column(decoded, "id") == {1: "a", 2: "5"}
    assert column(decoded, "amount") == {1: "12.34", 2: None}
    assert column(decoded, "note") == {1: None, 2: '{"x": true}'}
    assert "other" not in decoded.frame.columns
    assert decoded.seen == {"id": "number|string", "amount": "number", "other": "array", "note": "object"}
    assert decoded.records == 2


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (b'{"id": "b"', "invalid_json"),
        (b'{"id": NaN}', "invalid_json"),
        (b'{"id": -Infinity}', "invalid_json"),
        (b'{"id": "b"} {"id": "c"}', "invalid_json"),
        (b"{'id': 'b'}", "invalid_json"),
        (b'{"id": ' + b"[" * 5_000 + b"]" * 5_000 + b"}", "invalid_json"),
        (b'["b"]', "not_an_object"),
        (b"null", "not_an_object"),
        (b'{"id": "\xff"}', "invalid_utf8"),
        (b'{"id": "\\ud800"}', "invalid_utf8"),
        (b'{"id": "\0"}', "nul_byte"),
        (b'{"id": "' + b"x" * LIMITS.max_line_bytes + b'"}', "line_too_long"),
    ],
)
def test_a_bad_json_line_costs_itself_and_nothing_else(line: bytes, fault: str) -> None:
    good = b'{"id": "a"}\n' * 300
    decoded = read(good + b"\n" + line + b"\n" + good)
    assert bad(decoded) == {302: fault}
    assert decoded.frame[LINE].to_list() == [*range(1, 301), *range(303, 603)]
    assert decoded.frame["id"].unique().to_list() == ["a"]


def test_the_first_of_two_equal_json_keys_wins_in_clean_and_in_dirty_objects() -> None:
    line = b'{"id": "first", "id": "second"}\n'
    assert column(read(line), "id") == {1: "first"}
    assert column(read(line + b"{\n"), "id") == {1: "first"}


@pytest.mark.parametrize("rest", [b"", b"{\n"])
def test_numbers_of_any_length_are_exact(rest: bytes) -> None:
    literals = ["99999999999999.9999", "123456789012345678901234567890", "-0.10000000000000000001", "9007199254740993"]
    data = "".join(f'{{"amount": {literal}}}\n' for literal in literals).encode()
    assert list(column(read(data + rest), "amount").values()) == literals


def test_a_wanted_key_that_only_one_line_in_many_holds_is_found() -> None:
    lines = [b'{"id": "a"}'] * 5_000
    lines[2_345] = b'{"id": "a", "note": "rare"}'
    decoded = read(b"\n".join(lines))
    assert column(decoded, "note")[2_346] == "rare"
    assert "note" in decoded.seen


def test_csv_gives_wanted_columns_and_null_for_empty_fields() -> None:
    decoded = read(b'id,other,amount,note\n1,x,,"a, ""b"""\n2,y,3,""\n', "csv")
    assert decoded.frame.rows() == [("1", None, 'a, "b"', 2), ("2", "3", None, 3)]
    assert decoded.seen == dict.fromkeys(("id", "other", "amount", "note"), "string")


def test_a_quoted_newline_keeps_the_line_number_of_the_record() -> None:
    decoded = read('id,note\n1,"a\nb\n"\n\n2,"😀\r\n"\n3,\n'.encode(), "csv")
    assert column(decoded, "id") == {2: "1", 6: "2", 8: "3"}
    assert column(decoded, "note") == {2: "a\nb\n", 6: "😀\r\n", 8: None}


@pytest.mark.parametrize(
    ("record", "fault"),
    [
        (b"1", "wrong_field_count"),
        (b"1,2,3", "wrong_field_count"),
        (b"1,\xff", "invalid_utf8"),
        (b"1,\0", "nul_byte"),
        (b'1,"open', "unclosed_quote"),
        (b'1,"x"y', "invalid_quote"),
        (b"1," + b"x" * LIMITS.max_line_bytes, "line_too_long"),
    ],
)
def test_a_bad_csv_record_costs_its_line_and_nothing_else(record: bytes, fault: str) -> None:
    good = b"7,a\r\n" * 300
    decoded = read(b"id,note\r\n" + good + b"\r\n" + record + b"\r\n" + good, "csv")
    assert bad(decoded) == {303: fault}
    assert decoded.frame[LINE].to_list() == [*range(2, 302), *range(304, 604)]
    assert decoded.frame["note"].unique().to_list() == ["a"]


def test_a_short_and_a_long_record_do_not_make_up_for_each_other() -> None:
    assert bad(read(b"id,note,amount\n1,2\n1,2,3,4\n5,6,7\n", "csv")) == {
        2: "wrong_field_count",
        3: "wrong_field_count",
    }


@pytest.mark.parametrize("records", [b"a,,b\nc\n", b"a,,\nc\n", b",,a\n\n", b"a,,\n\n", b"c\na,,b", b"\n,,"])
def test_a_long_and_a_short_record_are_found_where_not_all_columns_are_read(records: bytes) -> None:
    good = b"1,2\n" * 300
    decoded = read(b"id,other\n" + good + records, "csv")
    assert decoded.frame.rows() == [("1", line) for line in range(2, 302)]
    assert set(bad(decoded).values()) == {"wrong_field_count"}


@pytest.mark.parametrize("last", [b"", b"\n"])
@pytest.mark.parametrize("width", [2, 3])
def test_csv_lines_are_numbered_through_in_an_object_of_several_pieces(width: int, last: bytes) -> None:
    names = b",".join([b"id", b"note", b"amount"][:width])
    values = b",".join([b"%06d", b"%0500d", b"1"][:width])
    data = names + b"\n" + b"\n".join(values % (n, n) for n in range(40_000)) + last
    decoded = read(data, "csv")
    assert decoded.bad_lines == ()
    assert decoded.frame[LINE].to_list() == list(range(2, 40_002))
    assert decoded.frame["id"].cast(pl.Int64).to_list() == list(range(40_000))


def test_a_csv_value_keeps_a_byte_order_mark_that_does_not_start_the_object() -> None:
    assert column(read("id,note\n\ufeffa,b\nc,d\n".encode(), "csv"), "id") == {2: "\ufeffa", 3: "c"}


def test_a_quote_inside_a_plain_field_stands_for_itself() -> None:
    assert column(read(b'id,note\n1,5" nail\n2,"x"\n', "csv"), "note") == {2: '5" nail', 3: "x"}


def test_white_space_around_csv_names_is_mended_and_case_is_not() -> None:
    decoded = read(b" id ,AMOUNT,note\n1,2,3\n", "csv")
    assert decoded.frame.columns == ["id", "note", LINE]
    assert decoded.repairs == {"header_whitespace": 1}
    assert set(decoded.seen) == {"id", "AMOUNT", "note"}


def test_a_column_that_appears_twice_matters_only_where_it_is_wanted() -> None:
    assert reason(b"id,note,id\n1,2,3\n", "csv") == "duplicate_column"
    assert read(b"id,x,x,\n1,2,3,4\n", "csv").frame.rows() == [("1", 2)]
    table = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["id", "id"])
    target = BytesIO()
    pq.write_table(table, target)
    assert reason(target.getvalue(), "parquet") == "duplicate_column"


@pytest.mark.parametrize(
    ("header", "detail"),
    [(b'"id,note\n1,2\n', "unclosed_quote"), (b"id,\xff\n1,2\n", "invalid_utf8"), (b"id,\0\n1,2\n", "nul_byte")],
)
def test_a_header_that_cannot_be_read_refuses_the_object(header: bytes, detail: str) -> None:
    with pytest.raises(UnreadableObject) as caught:
        read(header, "csv")
    assert (caught.value.reason, caught.value.detail) == ("bad_header", detail)


@pytest.mark.parametrize("format", ["jsonl", "csv"])
@pytest.mark.parametrize("data", [b"", b"\n", b" \r\n\t\n ", b"\xef\xbb\xbf", b"\r\r"])
def test_an_object_without_content_has_no_records(data: bytes, format: Format) -> None:
    assert read(data, format).records == 0
    assert read(gzip.compress(data), format, compressed=True).records == 0


def test_a_header_alone_has_no_records_but_columns() -> None:
    for data in (b"id,note", b"id,note\n", b"id,note\r\n\r\n"):
        decoded = read(data, "csv")
        assert decoded.records == 0
        assert decoded.frame.columns == ["id", "note", LINE]


@pytest.mark.parametrize(("format", "text"), [("jsonl", '{"id": "é"}\r\n{"id": "b"}'), ("csv", "id\r\né\r\nb")])
def test_bom_and_line_ends_of_windows_and_old_macs_are_mended(format: Format, text: str) -> None:
    first = 1 if format == "jsonl" else 2
    expected = {first: "é", first + 1: "b"}
    with_bom = read(text.encode("utf-8-sig"), format)
    assert column(with_bom, "id") == expected
    assert with_bom.repairs == {"bom": 1}
    with_cr = read(text.replace("\r\n", "\r").encode(), format)
    assert column(with_cr, "id") == expected
    assert with_cr.repairs == {"cr_line_ends": 1}
    assert reason(text.encode("utf-16"), format) == "not_utf8"


def test_gzip_members_follow_each_other() -> None:
    parts = gzip.compress(b'{"id": "a"}\n{"id"') + gzip.compress(b"") + gzip.compress(b': "b"}\n') + b"\0" * 512
    assert column(read(parts, compressed=True), "id") == {1: "a", 2: "b"}


STORED = gzip.compress(b'{"id": "a"}\n' * 1_000, mtime=0)  # test names must not hold the time of day


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b'{"id": "a"}\n',
        STORED[:-1],
        STORED[:20],
        STORED + b"garbage",
        STORED + STORED[:-4],
        STORED[:-8] + bytes([STORED[-8] ^ 1]) + STORED[-7:],
        STORED[:30] + b"\xff\xff\xff\xff" + STORED[34:],
    ],
)
def test_damaged_gzip_is_refused(data: bytes) -> None:
    assert reason(data, compressed=True) == "corrupt_gzip"


def test_gzip_under_a_plain_name_is_refused() -> None:
    assert reason(STORED) == "compressed_without_gz"


def test_what_is_too_large_is_refused_before_it_is_unpacked() -> None:
    bomb = gzip.compress(b"\0" * 200_000_000, compresslevel=9)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert reason(bomb, compressed=True, limits=TIGHT) == "too_large"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000
    assert reason(b" " * 100_001, limits=TIGHT) == "too_large"
    assert reason(b"{}\n" * 33_000, limits=TIGHT) == "too_large"
    assert reason(b"id\n" + b"1\n" * 40_000, "csv", limits=TIGHT) == "too_large"
    assert reason(parquet({"id": [1] * 2_000}), "parquet", limits=TIGHT) == "too_large"
    assert reason(parquet({"id": [f"{n:0200}" for n in range(1_000)]}), "parquet", limits=TIGHT) == "too_large"


@pytest.mark.parametrize(
    ("format", "before", "after"),
    [("jsonl", b'{"id": "', b'"}\n{"id": "b"}\n'), ("csv", b'id\n"', b'"\nb\n'), ("csv", b"id\n", b"\nb\n")],
)
def test_a_hundred_megabytes_on_one_line_cost_neither_time_nor_memory(
    format: Format, before: bytes, after: bytes
) -> None:
    data = before + b"x" * 100_000_000 + after
    start, peak = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    decoded = read(data, format)
    assert time.process_time() - start < 3
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak < 500_000
    assert set(bad(decoded).values()) == {"line_too_long"}
    assert decoded.frame["id"].to_list() == ["b"]


def test_stray_quotes_by_the_thousand_are_refused_instead_of_being_tried_one_by_one() -> None:
    start = time.process_time()
    assert reason(b"id,note\n" + b'x","b\n' * 500_000, "csv") == "unclosed_quote"
    assert time.process_time() - start < 5


def test_details_hold_nothing_of_the_content() -> None:
    canary = b"jane.doe@mail.example"
    for data, format in ((b"\x1f\x8b" + canary, "jsonl"), (b'"' + canary + b"\n", "csv"), (canary, "parquet")):
        with pytest.raises(UnreadableObject) as caught:
            read(data, format)  # type: ignore[arg-type]
        assert canary.decode() not in str(caught.value)


@pytest.mark.parametrize(
    ("data", "ids"),
    [
        (b'\n \n"a\nb",id\nx,1\ny,2\n', {5: "1", 6: "2"}),
        (b"a,id\n\xef\xbb\xbfx,1\ny,2", {2: "1", 3: "2"}),
        (b"id,a\n\xef\xbb\xbf1,x\n2,y\n", {2: "\ufeff1", 3: "2"}),
    ],
    ids=["lines before the end of the header", "a mark in a column left out", "a mark in the first value"],
)
def test_csv_below_its_header_is_read_as_it_stands(data: bytes, ids: dict[int, str]) -> None:
    assert column(read(data, "csv"), "id") == ids


COMPRESSED = [b"x^", b"x\x01", b"x\x9c", b"x\xda", b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd"]
"""What the first bytes of zlib, gzip and zstd are, and those of a record may be."""


@pytest.mark.parametrize("mark", COMPRESSED)
@pytest.mark.parametrize("rest", [b",2,x\n", b',2,"x"\n'])
def test_records_that_begin_like_a_compressed_file_are_read_as_they_are(mark: bytes, rest: bytes) -> None:
    decoded = read(b"id,amount,note\n" + mark + rest + b"4,5,6\n", "csv")

    try:
        assert column(decoded, "id") == {2: mark.decode(), 3: "4"}
    except UnicodeDecodeError:
        assert bad(decoded) == {2: "invalid_utf8"}
        assert column(decoded, "id") == {3: "4"}


@pytest.mark.parametrize("mark", COMPRESSED[:-2] + COMPRESSED[-1:])
def test_lines_that_begin_like_a_compressed_file_cost_themselves(mark: bytes) -> None:
    decoded = read(mark + b'\n{"id": "1"}\n')

    assert list(bad(decoded)) == [1]
    assert column(decoded, "id") == {2: "1"}
