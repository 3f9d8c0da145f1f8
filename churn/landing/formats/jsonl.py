"""JSON Lines: one object per line."""

import re
from collections.abc import Collection, Iterator
from functools import partial
from io import BytesIO

import numpy as np
import orjson
import polars as pl
from numpy.typing import NDArray

from churn.landing.decoded import LINE, Decoded
from churn.landing.formats.json_line import note_types, read_line
from churn.landing.formats.records import SEGMENT, Gathered, Positions, Spans, blank_spans, read_spans, whole_lines
from churn.settings import LandingSettings

_SAMPLE = 200
_NEWLINE, _SPACE, _DOT, _COLON, _BRACKET, _ESCAPE, _BRACE = b"\n .:[\\{"
_HALF = 8
_DIGIT = np.zeros(256, dtype=bool)
_DIGIT[48:58] = True
_LONG_DECIMAL = re.compile(rb"[:,\[\s]-?(?=[\d.]{17})\d+\.\d+[,}\]\seE]")
_SURROGATE_PAIR = re.compile(rb"(?<!\\)\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}")
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


def decode_jsonl(data: bytes, *, wanted: Collection[str], limits: LandingSettings) -> Decoded:
    """Read an object of JSON lines; the text of every wanted value, the types of every key that was looked at.

    Wanted keys are never missed. Other keys are found in a sample of the lines, first and last included.
    """
    columns = sorted(set(wanted) - {LINE})
    gathered = Gathered(columns, limits)
    types: dict[str, set[str]] = {}
    window = max(SEGMENT, limits.max_line_bytes)
    start, line = 0, 1
    while start < len(data):
        cut = data.rfind(b"\n", start, start + window) + 1 if start + window < len(data) else len(data)
        if not cut:
            gathered.take(line, "line_too_long")
            start, line = data.find(b"\n", start) + 1 or len(data), line + 1
            continue
        segment, start = data[start:cut], cut
        read_block = partial(_read_block, columns=columns or [LINE])
        records = _regular_lines(segment, limits)
        frame = read_block(segment) if records else None
        if frame is not None and frame.height == records:
            _sample(segment, records, types, limits)
            gathered.take_frame(frame, range(line, line + records))
            line += records
            continue
        spans = _lines(segment, line)
        _sample(segment, len(spans.starts), types, limits)
        read_spans(
            segment,
            spans,
            gathered,
            read_block=read_block,
            read_record=partial(read_line, wanted=columns, types=types),
            keeps_blank=False,
        )
        line += len(spans.starts)
    frame = gathered.finish()
    found = [name for name in columns if name in frame.columns]
    filled = [name for name in found if name in types or frame[name].null_count() < frame.height]
    seen = {name: "|".join(sorted(kinds - {"null"}) or ["null"]) for name, kinds in types.items()}
    return Decoded(
        frame=pl.DataFrame([frame[name] for name in (*filled, LINE)]),
        seen={**dict.fromkeys(filled, "unknown"), **seen},
        bad_lines=tuple(gathered.bad),
    )


def _regular_lines(segment: bytes, limits: LandingSettings) -> int:
    """Count the lines of a segment in which nothing asks for their positions; 0 of any other.

    That is one without escapes, long lines and long decimals. A blank line is none of these: Polars leaves it out, so
    that it gives fewer rows than there are lines.
    """
    if b"\\" in segment:
        return 0
    lines = 0
    for piece in whole_lines(segment, limits.max_line_bytes):
        if piece is None or any(len(dots) for dots in _long_decimals(piece)):
            return 0
        lines += int(np.count_nonzero(piece == _NEWLINE))
    return lines


def _lines(segment: bytes, first_line: int) -> Spans:
    codes = np.frombuffer(segment, np.uint8)
    ends = np.flatnonzero(codes == _NEWLINE)
    if segment and not segment.endswith(b"\n"):
        ends = np.append(ends, len(segment))
    starts = np.concatenate([np.zeros(1, dtype=np.int64), ends[:-1] + 1])[: len(ends)]
    lines = np.arange(first_line, first_line + len(ends))
    alone = np.zeros(len(ends), dtype=bool)
    alone[_with_long_decimals(segment, codes, starts, ends)] = True
    if b"\\" in segment:
        alone[_with_lone_surrogates(segment, ends)] = True
        alone[_with_escapes_in_nested(codes, ends)] = True
    return Spans(starts, ends, lines, blank_spans(segment, starts, ends), alone)


def _with_long_decimals(segment: bytes, codes: NDArray[np.uint8], starts: Positions, ends: Positions) -> Positions:
    """Lines with a decimal of 16 digits or more, which Polars, reading it as a double, might round."""
    lines = np.unique(np.searchsorted(ends, np.concatenate(_long_decimals(codes))))
    found = [line for line in lines if _LONG_DECIMAL.search(segment, int(starts[line]), int(ends[line]) + 1)]
    return np.array(found, dtype=np.int64)


def _long_decimals(codes: NDArray[np.uint8]) -> list[Positions]:
    """Points with eight digits after them, and points with eight before: a decimal of 16 digits has one of these."""
    dots = np.flatnonzero(codes[1:-1] == _DOT) + 1
    dots = dots[_DIGIT[codes[dots - 1]] & _DIGIT[codes[dots + 1]]]
    with_eight_after = dots[: np.searchsorted(dots, len(codes) - _HALF)]
    with_eight_before = dots[np.searchsorted(dots, _HALF) :]
    return [_in_digits(codes, with_eight_after, 1), _in_digits(codes, with_eight_before, -1)]


def _in_digits(codes: NDArray[np.uint8], dots: Positions, direction: int) -> Positions:
    for distance in (3, 8, 1, 2, 4, 5, 6, 7):
        dots = dots[_DIGIT[codes[dots + direction * distance]]]
        if not len(dots):
            break
    return dots


def _with_lone_surrogates(segment: bytes, ends: Positions) -> Positions:
    """Lines that escape half a character, which Polars would turn into a NUL."""
    if not _SURROGATE.search(segment):
        return np.zeros(0, dtype=np.int64)
    masked = _SURROGATE_PAIR.sub(b"............", segment)
    places = [match.start() for match in _SURROGATE.finditer(masked)]
    return np.searchsorted(ends, np.array(places, dtype=np.int64))


def _with_escapes_in_nested(codes: NDArray[np.uint8], ends: Positions) -> Positions:
    """Lines with an escape and a nested value: Polars does not escape anew all of what it writes as JSON text."""
    opening = np.flatnonzero((codes == _BRACE) | (codes == _BRACKET))
    opening = opening[opening > 1]
    before = codes[opening - 1]
    before = np.where(before <= _SPACE, codes[opening - 2], before)
    nested = opening[(before <= _SPACE) | (before == _COLON)]
    escapes = np.flatnonzero(codes == _ESCAPE)
    return np.intersect1d(np.searchsorted(ends, nested), np.searchsorted(ends, escapes))


def _sample(segment: bytes, lines: int, types: dict[str, set[str]], limits: LandingSettings) -> None:
    chosen = _spread(segment) if lines > _SAMPLE else segment.split(b"\n")
    pairs: set[tuple[str, type]] = set()
    for line in chosen:
        if not line or len(line) > limits.max_line_bytes:
            continue
        try:
            document = orjson.loads(line)
        except orjson.JSONDecodeError:
            continue
        if isinstance(document, dict):
            pairs.update(zip(document, map(type, document.values()), strict=True))
    note_types(types, pairs)


def _spread(segment: bytes) -> Iterator[bytes]:
    """Give lines from all over a segment, the first and the last among them."""
    end = -1
    for place in np.linspace(0, len(segment) - 1, _SAMPLE).astype(np.int64).tolist():
        if place > end:
            start = max(segment.rfind(b"\n", end + 1, place), end) + 1
            end = segment.find(b"\n", place)
            end = len(segment) if end < 0 else end
            yield segment[start:end]


def _read_block(block: bytes, columns: list[str]) -> pl.DataFrame | None:
    """Read a block; the empty line before it keeps Polars from unpacking what begins like a compressed file."""
    try:
        return pl.read_ndjson(BytesIO(b"\n" + block), schema=dict.fromkeys(columns, pl.String()))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError):
        return None
