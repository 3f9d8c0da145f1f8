"""One landing object on its way into the lake: fetched, identified and decoded."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from typing import Final

import polars as pl

from churn.contracts import Contract
from churn.contracts.model import ATTRIBUTES
from churn.errors import UnreadableObject
from churn.ingestion.report import ObjectStatus
from churn.landing.decode import decode, decode_together
from churn.landing.decoded import LINE, Decoded
from churn.landing.zone import LandingObject, LandingZone, TooLarge
from churn.settings import LandingSettings
from churn.validation.schema import missing_required

NOTHING = Decoded(frame=pl.DataFrame(schema={LINE: pl.Int64}), seen={})
_TOGETHER: Final = 16 * 2**20
"""Bytes of objects that are decoded in one go; of more the memory grows and the time does not fall."""


@dataclass(frozen=True)
class Piece:
    """A landing object with what was found in it.

    Attributes:
        landed: the version that was read, or was found to be too large.
        object_id: SHA-256 of path and content, in hex.
        source_file: path with an unsafe file name tokenised.
        transaction: Delta application transaction that marks it as taken.
        decoded: its rows, until they are validated.
        fault: reason and column why the object as a whole is refused, if it is.
        records: rows it was read to hold, decoded or not.
    """

    landed: LandingObject
    object_id: str
    source_file: str
    available_at: datetime
    transaction: str
    status: ObjectStatus
    decoded: Decoded = NOTHING
    fault: tuple[str, str | None] | None = None
    records: int = 0

    def with_rows(self, content: Decoded) -> "Piece":
        """Return the piece with what it holds."""
        return replace(self, decoded=content, records=content.records)

    def without_rows(self) -> "Piece":
        """Return the piece with the number of its records, but without them."""
        return replace(self, decoded=NOTHING)


def unread_id(landed: LandingObject) -> str:
    """Return the id of an object that was too large to be read: its etag stands for its content."""
    return _object_id(landed, landed.etag.encode())


def fetch(
    zone: LandingZone, landed: LandingObject, source_file: str, available: datetime, limits: LandingSettings
) -> tuple[Piece, bytes]:
    """Read an object and name it by what it holds; nothing is decoded yet.

    One that stores more than the limit is not read: it gets a fault, and its etag stands for its content.
    """
    fault = None
    try:
        landed, data = zone.read(landed, limits.max_object_bytes)
        object_id = _object_id(landed, sha256(data).digest())
    except TooLarge as error:
        landed, data, object_id, fault = error.found, b"", unread_id(error.found), (error.reason, None)
    status: ObjectStatus = "unreadable" if fault else "ingested"
    return Piece(landed, object_id, source_file, available, f"object:{object_id}", status, fault=fault), data


def decoded(group: Sequence[tuple[Piece, bytes]], contract: Contract, limits: LandingSettings) -> list[Piece]:
    """Decode a group of `together`; an object that cannot be read, or lacks a required column, gets a fault."""
    wanted = {*contract.source_names(), *contract.attributes, ATTRIBUTES}
    if _may_be_read_together(group[0]):
        contents = decode_together([data for _, data in group], wanted=wanted, limits=limits)
    else:
        contents = [_content(piece, data, wanted, limits) for piece, data in group]
    return [_with_content(piece, content, contract) for (piece, _), content in zip(group, contents, strict=True)]


def together(fetched: Iterable[tuple[Piece, bytes]], most: int) -> Iterator[list[tuple[Piece, bytes]]]:
    """Put neighbours, at most so many, into groups that are decoded in one go where that is cheaper.

    What cannot be fetched holds nothing back: what was fetched before it comes first, then the error.
    """
    group: list[tuple[Piece, bytes]] = []
    held = 0
    try:
        for member in fetched:
            alone = not _may_be_read_together(member)
            held += len(member[1])
            if group and (alone or held > _TOGETHER or len(group) >= most):
                yield group
                group, held = [], len(member[1])
            group.append(member)
            if alone:
                yield group
                group, held = [], 0
    except Exception:
        if group:
            yield group
        raise
    if group:
        yield group


def _may_be_read_together(member: tuple[Piece, bytes]) -> bool:
    piece, _ = member
    return piece.status == "ingested" and piece.landed.format == "csv" and not piece.landed.compressed


def _content(piece: Piece, data: bytes, wanted: Collection[str], limits: LandingSettings) -> Decoded | UnreadableObject:
    if piece.fault is not None or piece.status == "unchanged":
        return NOTHING
    try:
        return decode(
            data, format=piece.landed.format, compressed=piece.landed.compressed, wanted=wanted, limits=limits
        )
    except UnreadableObject as error:
        return error


def _with_content(piece: Piece, content: Decoded | UnreadableObject, contract: Contract) -> Piece:
    if isinstance(content, UnreadableObject):
        return replace(piece, status="unreadable", fault=(content.reason, None))
    missing = missing_required(content.seen, contract) if content.frame.height else []
    if missing:
        return replace(piece.with_rows(content), fault=("missing_column", missing[0]))
    return piece.with_rows(content)


def only_lines(piece: Piece, lines: Collection[int]) -> Piece:
    """Keep the given records of a decoded object, for a replay of what was quarantined."""
    chosen = set(lines)
    content = piece.decoded
    frame = content.frame.filter(pl.col(LINE).is_in(list(chosen)))
    bad = tuple(item for item in content.bad_lines if item.line in chosen)
    return piece.with_rows(replace(content, frame=frame, bad_lines=bad))


def _object_id(landed: LandingObject, content: bytes) -> str:
    return sha256(landed.path.encode() + b"\x00" + content).hexdigest()
