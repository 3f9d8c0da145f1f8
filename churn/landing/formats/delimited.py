"""CSV with commas, quotes and a header, as RFC 4180 has it."""

from collections.abc import Collection

import numpy as np
import polars as pl
from numpy.typing import NDArray

from churn.landing.decoded import LINE, Decoded
from churn.landing.formats.delimited_header import BOM, COMMA, NEWLINE, Header, decoded, parse, read_header
from churn.landing.formats.delimited_record import scan_records, split_record
from churn.landing.formats.delimited_regular import regular_rows
from churn.landing.formats.records import (
    SEGMENT,
    Gathered,
    Positions,
    Row,
    Spans,
    blank_spans,
    read_spans,
)
from churn.settings import LandingSettings

_RETURN, _QUOTE = 13, 34


def decode_csv(data: bytes, *, wanted: Collection[str], limits: LandingSettings) -> Decoded:
    """Read a CSV object; an empty field, quoted or not, is null.

    Raises:
        UnreadableObject: `bad_header`, `duplicate_column`, `unclosed_quote` or `too_large`.
    """
    header = read_header(data, set(wanted) - {LINE}, limits)
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
        segment = data[start:end]
        rows = regular_rows(data, start, end, header, limits)
        frame = _read_block(segment, header) if rows else None
        if frame is not None and frame.height == rows:
            gathered.take_frame(frame, range(line, line + rows))
            start, line = end, line + rows
            continue
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
    return decoded(header, gathered)


def _segment_end(data: bytes, start: int, window: int) -> int:
    """End of the last whole record within `window` bytes, quoted newlines taken into account; `start` if none ends."""
    if start + window >= len(data):
        return len(data)
    if data.find(b'"', start, start + window) < 0:
        return data.rfind(b"\n", start, start + window) + 1 or start
    codes = np.frombuffer(data, np.uint8, window, start)
    newlines = np.flatnonzero(codes == NEWLINE)
    ends = newlines[np.searchsorted(np.flatnonzero(codes == _QUOTE), newlines) % 2 == 0]
    return start + int(ends[-1]) + 1 if len(ends) else start


def _spans(segment: bytes, first_line: int, width: int) -> Spans | None:
    """Where the records lie, or None when quotes are used in a way that only reading in order can settle."""
    codes = np.frombuffer(segment, np.uint8)
    newline, comma = codes == NEWLINE, codes == COMMA
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
        bare = np.append(codes, np.uint8(0))[returns + 1] != NEWLINE
        alone[np.searchsorted(ends, returns[bare])] = True
    return Spans(starts, ends, lines, blank_spans(segment, starts, ends), alone)


def _quotes_are_regular(codes: NDArray[np.uint8], quotes: Positions) -> bool:
    """Whether every other quote opens a whole field (or doubles the one before) and the next one closes it."""
    if len(quotes) % 2:
        return False
    opening, closing = quotes[::2], quotes[1::2]
    before = codes[opening - 1][opening > 0]
    padded = np.concatenate([codes, np.array([NEWLINE, NEWLINE], dtype=np.uint8)])
    after, next_after = padded[closing + 1], padded[closing + 2]
    closed = (after == COMMA) | (after == NEWLINE) | (after == _QUOTE)
    closed |= (after == _RETURN) & (next_after == NEWLINE)
    return bool(closed.all()) and bool(((before == COMMA) | (before == NEWLINE) | (before == _QUOTE)).all())


def _wrong_width(commas: Positions, starts: Positions, ends: Positions, width: int) -> NDArray[np.bool_]:
    if width > 1 and len(commas) == len(starts) * (width - 1):
        table = commas.reshape(len(starts), width - 1)
        if (table[:, 0] >= starts).all() and (table[:, -1] < ends).all():
            return np.zeros(len(starts), dtype=bool)
    found: NDArray[np.bool_] = np.searchsorted(commas, ends) - np.searchsorted(commas, starts) != width - 1
    return found


def _read_block(block: bytes, header: Header) -> pl.DataFrame | None:
    if block.startswith(BOM):
        return None  # Polars would drop it from the first value
    frame = parse([block], header, quote='"' if b'"' in block else None)
    if frame is not None and b'""' in block:
        frame = frame.with_columns(pl.when(pl.all() != "").then(pl.all()))
    return frame


def _row(fields: list[bytes] | str, header: Header) -> Row | str:
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
