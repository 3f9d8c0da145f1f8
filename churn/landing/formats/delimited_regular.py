"""CSV without anything odd, the usual kind: each record has its line, and as many fields as the header."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from churn.errors import UnreadableObject
from churn.landing.decoded import LINE, Decoded
from churn.landing.formats.delimited_header import BOM, COMMA, NEWLINE, Header, decoded, parse, read_header
from churn.landing.formats.records import SEGMENT, Gathered, most_records, whole_lines
from churn.settings import LandingSettings


@dataclass(frozen=True)
class _Regular:
    """An object each of whose records has its line and as many fields as the header, without anything odd."""

    header: Header
    rows: int


def decode_csvs(objects: Sequence[bytes], *, wanted: Collection[str], limits: LandingSettings) -> list[Decoded | None]:
    """Read CSV objects, those of one header in one go: Polars takes a quarter less for them than one by one.

    Returns:
        What `decode_csv` returns, in the order of the objects; None for one that must be read on its own, since it is
        not as regular as to be sure that it would not change what is read of the others.
    """
    alike: dict[tuple[str, ...], list[int]] = {}
    regular = [_regular(data, wanted, limits) for data in objects]
    for i, found in enumerate(regular):
        if found is not None:
            alike.setdefault(tuple(found.header.names), []).append(i)
    results: list[Decoded | None] = [None] * len(objects)
    for places in alike.values():
        members = [(objects[i], found) for i in places if (found := regular[i]) is not None]
        for i, one in zip(places, _read_together(members, limits), strict=False):
            results[i] = one
    return results


def _regular(data: bytes, wanted: Collection[str], limits: LandingSettings) -> _Regular | None:
    if data.startswith(BOM) or len(data) > min(SEGMENT, limits.max_object_bytes):
        return None
    try:
        header = read_header(data, set(wanted) - {LINE}, limits)
    except UnreadableObject:
        return None
    if header is None or data.startswith(BOM, header.body):
        return None
    rows = regular_rows(data, header.body, len(data), header, limits)
    return _Regular(header, rows) if 0 < rows <= most_records(limits) else None


def _read_together(members: Sequence[tuple[bytes, _Regular]], limits: LandingSettings) -> Iterator[Decoded]:
    """Read objects of one header; nothing comes where Polars does not find as many records as there are lines."""
    header = members[0][1].header
    bodies = (part for data, one in members for part in (memoryview(data)[one.header.body :], _missing_newline(data)))
    frame = parse(bodies, header, quote=None)
    if frame is None or frame.height != sum(one.rows for _, one in members):
        return
    start = 0
    for _, one in members:
        gathered = Gathered(list(one.header.kept), limits)
        line = one.header.body_line
        gathered.take_frame(frame.slice(start, one.rows), range(line, line + one.rows))
        yield decoded(one.header, gathered)
        start += one.rows


def _missing_newline(data: bytes) -> bytes:
    return b"" if data.endswith(b"\n") else b"\n"


def regular_rows(data: bytes, start: int, end: int, header: Header, limits: LandingSettings) -> int:
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
        newline, comma = piece == NEWLINE, piece == COMMA
        found = int(np.count_nonzero(newline))
        if int(np.count_nonzero(comma)) != found * (width - 1):
            return 0
        if not header.all_kept and not newline[np.flatnonzero(newline | comma)[width - 1 :: width]].all():
            return 0
        rows += found
    return rows
