"""CSV objects read in one go are what each is on its own, whatever lies beside them."""

import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from churn.errors import UnreadableObject
from churn.landing.decode import decode, decode_together
from churn.landing.decoded import LINE, BadLine, Decoded
from churn.settings import LandingSettings
from tests.churn.landing.decoding import LIMITS, TIGHT, WANTED

BOM = b"\xef\xbb\xbf"
USUAL, OK = b"id,amount,note\n", b"id,amount,note\n4,5,6\n"
HEADERS = st.sampled_from([b"id,amount,note", b"id,amount,note", b"note,id,amount", b" id ,other,note", b"id"])
FIELDS = st.sampled_from([b"", b"7", b"x^", b"a b", "Größe".encode(), b'"quoted"', b'"a,b"', b"\xff", b"\0", b'"', BOM])
RECORDS = st.lists(FIELDS, min_size=1, max_size=4).map(b",".join)
ODD = st.sampled_from([b"", b"\n\n", BOM + b"id,note\n1,a\n", b"\xff\xfei\0d\0", b"\x1f\x8b\x08", b"id,id\n1,2\n"])


@st.composite
def regular(draw: st.DrawFn) -> bytes:
    lines = draw(st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99)), min_size=1, max_size=5))
    return b"id,amount,note\n" + b"\n".join(b"%d,%d,x" % line for line in lines) + draw(st.sampled_from([b"", b"\n"]))


@st.composite
def anything(draw: st.DrawFn) -> bytes:
    end = draw(st.sampled_from([b"\n", b"\r\n"]))
    lines = [draw(HEADERS), *draw(st.lists(RECORDS, max_size=4))]
    return draw(st.sampled_from([b"", b"\n"])) + end.join(lines) + draw(st.sampled_from([b"", end]))


def alone(data: bytes, limits: LandingSettings) -> Decoded | UnreadableObject:
    try:
        return decode(data, format="csv", compressed=False, wanted=WANTED, limits=limits)
    except UnreadableObject as error:
        return error


def told(found: Decoded | UnreadableObject) -> object:
    if isinstance(found, UnreadableObject):
        return found.reason, str(found)
    frame = found.frame
    return frame.columns, frame.schema, frame.rows(), dict(found.seen), found.bad_lines, dict(found.repairs)


@given(st.lists(regular() | anything() | ODD, max_size=6), st.sampled_from([LIMITS, TIGHT]))
@example([b"id,amount,note\n1,2,x", b"id,amount,note\n3,4,\xff\n", b"id,amount,note\n5,6,x\n"], LIMITS)
@example([b"id,amount,note\n1,2,x\n", b"id,amount,note\n1,2\n3,4,5,6\n"], LIMITS)
@example([USUAL + BOM + b"1,2,x\n", OK], LIMITS)
@example([OK, USUAL + b"1,,\n" * 1563], TIGHT)
@example([OK, USUAL + (b"x" * 900 + b",,\n") * 120], TIGHT)
@example([USUAL + b"x^,2,3\n", OK], LIMITS)
@example([OK, USUAL + b"\x1f\x8b\x08,2,3\n", USUAL + b"x\x01,2,3\n"], LIMITS)
@example([b"other,id\n1,2\n", b"other,id\n3,4\n"], LIMITS)
@example([b"other,more\n1,2\n", b"other,more\n3,4\n"], LIMITS)
def test_objects_read_together_are_what_each_is_on_its_own(objects: list[bytes], limits: LandingSettings) -> None:
    together = decode_together(objects, wanted=WANTED, limits=limits)

    assert list(map(told, together)) == [told(alone(data, limits)) for data in objects]


def test_one_call_of_polars_reads_objects_of_one_header_and_leaves_the_odd_one_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[bytes] = []
    read_csv = pl.read_csv

    def counted(data: bytes, **options: object) -> pl.DataFrame:
        asked.append(data)
        return read_csv(data, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(pl, "read_csv", counted)
    usual = [b"id,amount,note\n%d,2,x\n%d,3,\n" % (i, i) for i in range(3)]
    usual[1] = usual[1].rstrip()
    first, second, odd, third = decode_together(
        [*usual[:2], b'id,amount,note\n9,1,"a\n', usual[2]], wanted=WANTED, limits=LIMITS
    )

    assert asked[0] == b"\n0,2,x\n0,3,\n1,2,x\n1,3,\n2,2,x\n2,3,\n"
    assert not any(b"2,x" in data for data in asked[1:])
    assert isinstance(odd, Decoded)
    assert odd.bad_lines == (BadLine(2, "unclosed_quote"),)
    for i, one in enumerate((first, second, third)):
        assert isinstance(one, Decoded)
        assert one.frame.rows() == [(str(i), "2", "x", 2), (str(i), "3", None, 3)]
        assert one.frame.columns == [*WANTED, LINE]
