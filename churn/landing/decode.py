"""Decoding of landing objects: bytes in, untyped records out, whatever an uploader has sent."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Literal, Protocol, assert_never

from churn.errors import UnreadableObject
from churn.landing.decoded import Decoded
from churn.settings import LandingSettings

_UTF8_BOM = b"\xef\xbb\xbf"
_UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")


def decode(
    data: bytes,
    *,
    format: Literal["jsonl", "csv", "parquet"],
    compressed: bool,
    wanted: Collection[str],
    limits: LandingSettings,
) -> Decoded:
    """Decode one landing object; every record ends in `frame` or in `bad_lines`.

    Args:
        data: the stored bytes.
        format: how the records are written.
        compressed: whether the name says gzip.
        wanted: source columns to keep; others are only seen.
        limits: largest object and longest line, in bytes.

    Raises:
        UnreadableObject: the object as a whole cannot be decoded; the detail holds nothing of its content.
    """
    from churn.landing.formats.gzipped import MAGIC, gunzip

    if compressed:
        data = gunzip(data, limits.max_object_bytes)
    elif data.startswith(MAGIC):
        raise UnreadableObject("compressed_without_gz", "gzip data under a name that does not end in .gz")
    if len(data) > limits.max_object_bytes:
        raise UnreadableObject("too_large", f"{len(data)} bytes, allowed are {limits.max_object_bytes}")
    match format:
        case "jsonl":
            from churn.landing.formats.jsonl import decode_jsonl

            return _decode_text(data, decode_jsonl, wanted, limits)
        case "csv":
            from churn.landing.formats.delimited import decode_csv

            return _decode_text(data, decode_csv, wanted, limits)
        case "parquet":
            from churn.landing.formats.columnar import decode_parquet

            return decode_parquet(data, wanted=wanted, limits=limits)
    assert_never(format)


def decode_together(
    objects: Sequence[bytes], *, wanted: Collection[str], limits: LandingSettings
) -> list[Decoded | UnreadableObject]:
    """Decode uncompressed CSV objects; each is what `decode` makes of it, or the error that it raises.

    Those of the usual kind are read in one go. One that is of another kind, or makes the others unreadable, costs time
    and changes nothing: then each is read on its own.
    """
    from churn.landing.formats.delimited_regular import decode_csvs

    found: list[Decoded | UnreadableObject] = []
    for data, decoded in zip(objects, decode_csvs(objects, wanted=wanted, limits=limits), strict=True):
        try:
            found.append(decoded or decode(data, format="csv", compressed=False, wanted=wanted, limits=limits))
        except UnreadableObject as error:
            found.append(error)
    return found


class _TextReader(Protocol):
    def __call__(self, data: bytes, *, wanted: Collection[str], limits: LandingSettings) -> Decoded: ...


def _decode_text(data: bytes, read: _TextReader, wanted: Collection[str], limits: LandingSettings) -> Decoded:
    """Read text after mending what concerns all of it: a byte order mark, and lines that end in CR alone."""
    if data.startswith(_UTF16_BOMS):
        raise UnreadableObject("not_utf8", "starts with the byte order mark of UTF-16")
    repairs = {}
    if data.startswith(_UTF8_BOM):
        data, repairs["bom"] = data[len(_UTF8_BOM) :], 1
    if b"\n" not in data and b"\r" in data:
        data, repairs["cr_line_ends"] = data.replace(b"\r", b"\n"), 1
    decoded = read(data, wanted=wanted, limits=limits)
    return replace(decoded, repairs={**repairs, **decoded.repairs})
