"""CSV with commas, quotes and a header, as RFC 4180 has it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from churn.errors import UnreadableObject
from churn.landing.decoded import LINE, Decoded
from churn.landing.formats.delimited_record import scan_records, split_record
from churn.landing.formats.records import (
    SEGMENT,
    Gathered,
    Positions,
    Row,
    Spans,
    blank_spans,
    read_spans,
    whole_lines,
)
from churn.settings import LandingSettings

_NEWLINE, _RETURN, _QUOTE, _COMMA = 10, 13, 34, 44
_BOM = b"\xef\xbb\xbf"
_MAX_COLUMNS = 10_000


@dataclass(frozen=True)
class _Header:
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


def decode_csv(data: bytes, *, wanted: Collection[str], limits: LandingSettings) -> Decoded:
    """Read a CSV object; an empty field, quoted or not, is null.

    Raises:
        UnreadableObject: `bad_header`, `duplicate_column`, `unclosed_quote` or `too_large`.
    """
    header = _header(data, set(wanted) - {LINE}, limits)
    if header is None:
        return Decoded(frame=pl.DataFrame(schema={LINE: pl.Int64}), seen={})
    gathered = Gathered(list(header.kept), limits)
    window = max(SEGMENT, limits.max_line_bytes)
    start, line = header.body, header.body_line
    while start < len(data):
        if start + window < len(data) and data.find(b"\n", start, start + window) < 0:
            gathered.take(line, "line_too_long")
            start, line = data.find(b"\n", start) + 1 or len(data), line + 1
            continue
        end = _segment_end(data, start, window)
        rows = _regular_rows(data, start, end, header, limits)
        frame = _read_regular(data, start, end, header) if rows else None
        if frame is not None and frame.height == rows:
            gathered.take_frame(frame, range(line, line + rows))
            start, line = end, line + rows
            continue
        segment = data[start:end]
        spans = _spans(segment, line, len(header.names)) if segment else None
        if spans is None:
            for at, fields in scan_records(data, start, line, limits.max_line_bytes):
                gathered.take(at, _row(fields, header))
            break
        read_spans(
            segment,
            spans,
            gathered,
            read_block=lambda block: _read_block(block, header),
            read_record=lambda record: _row(split_record(record, 0, limits.max_line_bytes)[0], header),
            keeps_blank=True,
        )
        line = int(spans.lines[-1]) + segment.count(b"\n", int(spans.starts[-1]))
        start += len(segment)
    return Decoded(
        frame=gathered.finish(),
        seen=dict.fromkeys(header.names, "string"),
        bad_lines=tuple(gathered.bad),
        repairs={"header_whitespace": header.trimmed} if header.trimmed else {},
    )


def _header(data: bytes, wanted: Collection[str], limits: LandingSettings) -> _Header | None:
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
    return _Header(
        names=names,
        kept={name: place for place, name in enumerate(names) if name in wanted},
        trimmed=sum(name != raw for name, raw in zip(names, written, strict=True)),
        body=end + 1,
        body_line=line + data.count(b"\n", start, end + 1),
    )


def _segment_end(data: bytes, start: int, window: int) -> int:
    """End of the last whole record within `window` bytes, quoted newlines taken into account; `start` if none ends."""
    if start + window >= len(data):
        return len(data)
    if data.find(b'"', start, start + window) < 0:
        return data.rfind(b"\n", start, start + window) + 1 or start
    codes = np.frombuffer(data, np.uint8, window, start)
    newlines = np.flatnonzero(codes == _NEWLINE)
    ends = newlines[np.searchsorted(np.flatnonzero(codes == _QUOTE), newlines) % 2 == 0]
    return start + int(ends[-1]) + 1 if len(ends) else start


def _regular_rows(data: bytes, start: int, end: int, header: _Header, limits: LandingSettings) -> int:
    """Count the records of a segment in which each has its line and as many fields as the header; 0 of any other.

    Polars fills up short records, and where it reads only a few columns, it cuts long ones; those it refuses where it
    reads them all, so that there the number of commas says that no record is short.
    """
    width = len(header.names)
    if width < 2 or any(data.find(odd, start, end) >= 0 for odd in (b'"', b"\0", b"\r")):
        return 0
    rows = 0
    for piece in whole_lines(data, limits.max_line_bytes, start, end):
        if piece is None:
            return 0
        newline, comma = piece == _NEWLINE, piece == _COMMA
        found = int(np.count_nonzero(newline))
        if int(np.count_nonzero(comma)) != found * (width - 1):
            return 0
        if not header.all_kept and not newline[np.flatnonzero(newline | comma)[width - 1 :: width]].all():
            return 0
        rows += found
    return rows


def _spans(segment: bytes, first_line: int, width: int) -> Spans | None:
    """Where the records lie, or None when quotes are used in a way that only reading in order can settle."""
    codes = np.frombuffer(segment, np.uint8)
    newline, comma = codes == _NEWLINE, codes == _COMMA
    quoted = b'"' in segment
    if quoted:
        quotes = codes == _QUOTE
        if not _quotes_are_regular(codes, np.flatnonzero(quotes)):
            return None
        outside = np.cumsum(quotes, dtype=np.uint8) & 1 == 0
        newlines = np.flatnonzero(newline)
        newline, comma = newline & outside, comma & outside
    ends = np.flatnonzero(newline)
    if not segment.endswith(b"\n"):
        ends = np.append(ends, len(segment))
    starts = np.concatenate([np.zeros(1, dtype=np.int64), ends[:-1] + 1])
    lines = first_line + (np.searchsorted(newlines, starts) if quoted else np.arange(len(starts)))
    alone = _wrong_width(np.flatnonzero(comma), starts, ends, width)
    if b"\0" in segment:
        alone[np.searchsorted(ends, np.flatnonzero(codes == 0))] = True
    if b"\r" in segment:
        returns = np.flatnonzero(codes == _RETURN)
        bare = np.append(codes, np.uint8(0))[returns + 1] != _NEWLINE
        alone[np.searchsorted(ends, returns[bare])] = True
    return Spans(starts, ends, lines, blank_spans(segment, starts, ends), alone)


def _quotes_are_regular(codes: NDArray[np.uint8], quotes: Positions) -> bool:
    """Whether every other quote opens a whole field (or doubles the one before) and the next one closes it."""
    if len(quotes) % 2:
        return False
    opening, closing = quotes[::2], quotes[1::2]
    before = codes[opening - 1][opening > 0]
    padded = np.concatenate([codes, np.array([_NEWLINE, _NEWLINE], dtype=np.uint8)])
    after, next_after = padded[closing + 1], padded[closing + 2]
    closed = (after == _COMMA) | (after == _NEWLINE) | (after == _QUOTE)
    closed |= (after == _RETURN) & (next_after == _NEWLINE)
    return bool(closed.all()) and bool(((before == _COMMA) | (before == _NEWLINE) | (before == _QUOTE)).all())


def _wrong_width(commas: Positions, starts: Positions, ends: Positions, width: int) -> NDArray[np.bool_]:
    if width > 1 and len(commas) == len(starts) * (width - 1):
        table = commas.reshape(len(starts), width - 1)
        if (table[:, 0] >= starts).all() and (table[:, -1] < ends).all():
            return np.zeros(len(starts), dtype=bool)
    found: NDArray[np.bool_] = np.searchsorted(commas, ends) - np.searchsorted(commas, starts) != width - 1
    return found


def _read_regular(data: bytes, start: int, end: int, header: _Header) -> pl.DataFrame | None:
    """Read a segment without quotes; one that is all there is below the header is not copied."""
    if start != header.body or end != len(data):
        return _read_block(data[start:end], header)
    return None if data.startswith(_BOM, start) else _parse(data, header, skipped=header.body_line - 1, quote=None)


def _read_block(block: bytes, header: _Header) -> pl.DataFrame | None:
    if block.startswith(_BOM):
        return None  # Polars would drop it from the first value
    frame = _parse(block, header, skipped=0, quote='"' if b'"' in block else None)
    if frame is not None and b'""' in block:
        frame = frame.with_columns(pl.when(pl.all() != "").then(pl.all()))
    return frame


def _parse(data: bytes, header: _Header, *, skipped: int, quote: str | None) -> pl.DataFrame | None:
    """Read the records after as many lines; choosing columns and looking for quotes cost a third, needed or not."""
    schema = {str(place): pl.String() for place in range(len(header.names))}
    columns = None if header.all_kept else list(header.kept.values()) or [0]
    try:
        frame = pl.read_csv(
            data, has_header=False, skip_lines=skipped, schema=schema, columns=columns, quote_char=quote
        )
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
        return None
    frame.columns = list(header.kept) or frame.columns
    return frame


def _row(fields: list[bytes] | str, header: _Header) -> Row | str:
    if isinstance(fields, str):
        return fields
    if any(b"\0" in field for field in fields):
        return "nul_byte"
    try:
        texts = [field.decode() for field in fields]
    except UnicodeDecodeError:
        return "invalid_utf8"
    if len(texts) != len(header.names):
        return "wrong_field_count"
    return {name: texts[place] or None for name, place in header.kept.items()}
