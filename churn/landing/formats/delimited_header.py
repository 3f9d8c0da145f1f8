"""The header of a CSV object, and what every way to read the records below it needs."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import polars as pl

from churn.errors import UnreadableObject
from churn.landing.decoded import Decoded
from churn.landing.formats.delimited_record import split_record
from churn.landing.formats.records import SEGMENT, Gathered
from churn.settings import LandingSettings

NEWLINE, COMMA = 10, 44
BOM = b"\xef\xbb\xbf"
_MAX_COLUMNS = 10_000


@dataclass(frozen=True)
class Header:
    """The header of a CSV object.

    Attributes:
        names: column names, white space trimmed.
        kept: wanted columns and their places.
        trimmed: how many names had white space around them.
        body: first byte after the header.
        body_line: line of that byte.
    """

    names: list[str]
    kept: Mapping[str, int]
    trimmed: int
    body: int
    body_line: int

    @property
    def all_kept(self) -> bool:
        """Whether every column is wanted."""
        return len(self.kept) == len(self.names)


def read_header(data: bytes, wanted: Collection[str], limits: LandingSettings) -> Header | None:
    """Read the first line that holds something; None when there is none.

    Raises:
        UnreadableObject: `bad_header` or, of a wanted column, `duplicate_column`.
    """
    start, line = 0, 1
    while (end := data.find(b"\n", start)) >= 0 and not data[start : min(end, start + SEGMENT)].strip(b" \t\r"):
        start, line = end + 1, line + 1
    if not data[start : start + SEGMENT].strip(b" \t\r"):
        return None
    fields, end = split_record(data, start, limits.max_line_bytes)
    if isinstance(fields, str):
        raise UnreadableObject("bad_header", fields)
    if len(fields) > _MAX_COLUMNS:
        raise UnreadableObject("bad_header", f"more than {_MAX_COLUMNS} columns")
    if b"\0" in data[start:end]:
        raise UnreadableObject("bad_header", "nul_byte")
    try:
        written = [field.decode() for field in fields]
    except UnicodeDecodeError:
        raise UnreadableObject("bad_header", "invalid_utf8") from None
    names = [name.strip() for name in written]
    for name in sorted(wanted):
        if names.count(name) > 1:
            raise UnreadableObject("duplicate_column", f"{name} appears {names.count(name)} times in the header")
    return Header(
        names=names,
        kept={name: place for place, name in enumerate(names) if name in wanted},
        trimmed=sum(name != raw for name, raw in zip(names, written, strict=True)),
        body=end + 1,
        body_line=line + data.count(b"\n", start, end + 1),
    )


def parse(records: Iterable[bytes | memoryview], header: Header, *, quote: str | None) -> pl.DataFrame | None:
    """Read pieces of records without a header; None when Polars refuses them.

    They begin with an empty line, which is skipped: data that begins like a compressed file, as a first field of `x^`
    does, would be unpacked. Choosing columns and looking for quotes cost a third, needed or not.
    """
    data = b"".join([b"\n", *records])
    schema = {str(place): pl.String() for place in range(len(header.names))}
    columns = None if header.all_kept else list(header.kept.values()) or [0]
    try:
        frame = pl.read_csv(data, has_header=False, skip_lines=1, schema=schema, columns=columns, quote_char=quote)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError):
        return None
    frame.columns = list(header.kept) or frame.columns
    return frame


def decoded(header: Header, gathered: Gathered) -> Decoded:
    """Return the records that were gathered, with what the header tells."""
    return Decoded(
        frame=gathered.finish(),
        seen=dict.fromkeys(header.names, "string"),
        bad_lines=tuple(gathered.bad),
        repairs={"header_whitespace": header.trimmed} if header.trimmed else {},
    )
