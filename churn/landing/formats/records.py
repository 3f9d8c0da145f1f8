"""Reading records in blocks: Polars takes a whole block, and only blocks it refuses are read record by record."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray

from churn.errors import UnreadableObject
from churn.landing.decoded import LINE, BadLine
from churn.settings import LandingSettings

Row = Mapping[str, str | None]
Positions = NDArray[np.int64]
Mask = NDArray[np.bool_]

SEGMENT = 8 * 2**20
"""Bytes looked at in one go; bounds the memory of positions and masks in a large object."""
_PIECE = 128 * 2**10
_FAN = 16
_SMALL = 64
_FLUSH = 50_000
_NEWLINE, _SPACE = 10, 32
_BYTES_PER_RECORD = 64


@dataclass(frozen=True)
class Spans:
    """Where the records of a segment lie.

    Attributes:
        starts: first byte of each record.
        ends: byte after each record, its newline left out.
        lines: physical line on which each record starts.
        blank: records that hold nothing and do not count.
        alone: records that must be read one by one whatever Polars makes of them.
    """

    starts: Positions
    ends: Positions
    lines: Positions
    blank: Mask
    alone: Mask


@dataclass
class Gathered:
    """Frames and bad lines collected so far, in the order of the object."""

    columns: Collection[str]
    limits: LandingSettings
    frames: list[pl.DataFrame] = field(default_factory=list)
    bad: list[BadLine] = field(default_factory=list)
    _rows: list[Row] = field(default_factory=list)
    _lines: list[int] = field(default_factory=list)
    _records: int = 0

    def take(self, line: int, row: Row | str) -> None:
        """Add one record: its values, or the reason why it has none."""
        if isinstance(row, str):
            self.bad.append(BadLine(line, row))
        else:
            self._rows.append(row)
            self._lines.append(line)
        self._count(1)
        if len(self._rows) >= _FLUSH:
            self._flush()

    def take_frame(self, frame: pl.DataFrame, lines: Positions | range) -> None:
        """Add a block of records and the lines they start on."""
        self._flush()
        self.frames.append(frame.insert_column(frame.width, pl.Series(LINE, lines, dtype=pl.Int64)))
        self._count(frame.height)

    def finish(self) -> pl.DataFrame:
        """All records in line order; a column that no block held may be missing."""
        self._flush()
        schema = {**dict.fromkeys(self.columns, pl.String()), LINE: pl.Int64()}
        if not self.frames:
            return pl.DataFrame(schema=schema)
        whole = self.frames[0] if len(self.frames) == 1 else pl.concat(self.frames, how="diagonal")
        held = set(whole.columns)
        names = [name for name in schema if name in held]
        kept = whole if names == whole.columns else pl.DataFrame([whole[name] for name in names])
        return kept if kept[LINE].is_sorted() else kept.sort(LINE)

    def _flush(self) -> None:
        if self._rows:
            values = {name: [row.get(name) for row in self._rows] for name in self.columns}
            schema = {**dict.fromkeys(self.columns, pl.String()), LINE: pl.Int64()}
            self.frames.append(pl.DataFrame({**values, LINE: self._lines}, schema=schema))
            self._rows, self._lines = [], []

    def _count(self, records: int) -> None:
        self._records += records
        most = most_records(self.limits)
        if self._records > most:
            raise UnreadableObject("too_large", f"more than {most} records")


def most_records(limits: LandingSettings) -> int:
    """Most records one object may hold, so that many tiny ones cannot outgrow the memory its bytes would take."""
    return max(1, limits.max_object_bytes // _BYTES_PER_RECORD)


def whole_lines(data: bytes, most: int, start: int = 0, stop: int | None = None) -> Iterator[NDArray[np.uint8] | None]:
    """Cut data, from `start` to `stop`, into pieces of whole lines, small enough to stay in the processor's cache.

    A newline is added to a last line that has none; None ends the pieces where a line is longer than `most` bytes or
    than a piece may be.
    """
    codes, longest, stop = np.frombuffer(data, np.uint8), min(_PIECE, most), len(data) if stop is None else stop
    while start < stop:
        end = data.rfind(b"\n", start, min(start + longest, stop)) + 1
        if end:
            yield codes[start:end]
        elif stop - start <= longest:
            end = stop
            yield np.append(codes[start:stop], np.uint8(_NEWLINE))
        else:
            yield None
            return
        start = end


def blank_spans(segment: bytes, starts: Positions, ends: Positions) -> Mask:
    """Which spans hold nothing but white space."""
    blank: Mask = ends == starts
    if len(starts):
        codes = np.frombuffer(segment, np.uint8)
        heads = codes[np.minimum(starts, len(codes) - 1)]
        for index in np.flatnonzero(~blank & (heads <= _SPACE)):
            blank[index] = not segment[starts[index] : ends[index]].strip(b" \t\r")
    return blank


def read_spans(
    data: bytes,
    spans: Spans,
    gathered: Gathered,
    *,
    read_block: Callable[[bytes], pl.DataFrame | None],
    read_record: Callable[[bytes], Row | str],
    keeps_blank: bool,
) -> None:
    """Read all records of a segment, splitting what cannot be read as a block until single records remain.

    Args:
        data: the segment.
        spans: its records.
        gathered: takes the records.
        read_block: reads consecutive records, or gives None when it cannot vouch for each of them.
        read_record: reads one record, or gives the reason why it cannot.
        keeps_blank: whether `read_block` returns a row for a blank record.
    """

    def one_by_one(first: int, last: int) -> None:
        for index in range(first, last):
            if not spans.blank[index]:
                record = data[spans.starts[index] : spans.ends[index]]
                gathered.take(int(spans.lines[index]), read_record(record))

    def descend(first: int, last: int) -> None:
        blank, alone = spans.blank[first:last], spans.alone[first:last]
        frame = None if alone.all() else read_block(data[spans.starts[first] : spans.ends[last - 1] + 1])
        keep = ~blank & ~alone if keeps_blank else ~alone[~blank]
        if frame is not None and frame.height == len(keep):
            whole = frame if keep.all() else frame.filter(pl.Series(keep))
            gathered.take_frame(whole, spans.lines[first:last][~blank & ~alone])
            for index in np.flatnonzero(alone) + first:
                one_by_one(int(index), int(index) + 1)
        elif last - first <= _SMALL:
            one_by_one(first, last)
        else:
            step = -(-(last - first) // _FAN)
            for start in range(first, last, step):
                descend(start, min(start + step, last))

    first = 0
    for index in np.flatnonzero(spans.ends - spans.starts > gathered.limits.max_line_bytes):
        if first < index:
            descend(first, int(index))
        gathered.take(int(spans.lines[index]), "line_too_long")
        first = int(index) + 1
    if first < len(spans.starts):
        descend(first, len(spans.starts))
