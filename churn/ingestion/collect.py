"""The pieces of a batch put together: validated rows on one side, refused and mended ones counted on the other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from churn.contracts import Contract, ContractField
from churn.contracts.model import ATTRIBUTES, TIMESTAMP
from churn.ingestion.pieces import Piece
from churn.landing.decoded import LINE
from churn.privacy.subjects import SubjectMap
from churn.settings import IngestionSettings
from churn.validation.validate import OBJECT, Validated, validate

REJECTS = pl.Schema(
    {OBJECT: pl.UInt32(), "line": pl.Int64(), "rows": pl.Int64(), "reason": pl.String(), "column": pl.String()}
)
_REPAIRS = pl.Schema({OBJECT: pl.UInt32(), "kind": pl.String(), "rows": pl.UInt32()})


@dataclass(frozen=True)
class Collected:
    """A batch before it meets the lake.

    Attributes:
        frame: rows in the order of their objects and lines, personal fields still raw; of those that do not keep the
            contract, the personal fields are empty.
        sound: mask of the rows that keep the contract; None when all do.
        rejects: one row per refused record, or per refused object (`line` is null, `rows` its records).
        repairs: rows mended, by object and kind.
    """

    frame: pl.DataFrame
    sound: pl.Series | None
    rejects: pl.DataFrame
    repairs: pl.DataFrame


def collect(pieces: Sequence[Piece], contract: Contract, settings: IngestionSettings) -> Collected:
    """Validate the decoded rows of all pieces, as few frames as their column types allow."""
    readable = [i for i, piece in enumerate(pieces) if piece.fault is None and piece.decoded.frame.height]
    available = pl.Series("available_at", [piece.available_at for piece in pieces], dtype=TIMESTAMP)
    taken: list[Validated] = []
    rejects = [_refused_while_decoding(pieces)]
    repairs = [_mended_while_decoding(pieces)]
    for group in _alike({i: pieces[i].decoded.frame for i in readable}):
        objects = _ordinals(group)
        rows = pl.concat(group.values(), how="diagonal", rechunk=True).with_columns(objects, available.gather(objects))
        checked = validate(rows, contract, timezone=settings.timezone, skew=settings.allowed_skew)
        taken.append(checked)
        rejects.append(checked.rejects.select(OBJECT, pl.col(LINE).alias("line"), _ONE_ROW, "reason", "column"))
        repairs.append(checked.repairs)
    frame, sound = _put_together(taken, contract)
    return Collected(frame, sound, rejects=pl.concat(rejects), repairs=pl.concat(repairs))


def _put_together(taken: Sequence[Validated], contract: Contract) -> tuple[pl.DataFrame, pl.Series | None]:
    """Return the rows of all groups; refused rows of the usual single group stay, so that it is not copied here."""
    empty = _empty(contract)
    if len(taken) != 1:
        rows = pl.concat([empty, *(one.frame.select(empty.columns).cast(empty.schema) for one in taken)])
        return rows.sort(OBJECT, LINE), None
    rows, sound = taken[0].rows.select(empty.columns), taken[0].sound
    if sound is not None:
        rows = rows.with_columns(pl.when(sound).then(field.name).alias(field.name) for field in _personal(contract))
    return rows, sound


def tokenised(frame: pl.DataFrame, contract: Contract, subjects: SubjectMap) -> pl.DataFrame:
    """Replace every personal field by its token."""
    return subjects.tokenise(
        frame, {field.name: "customer" if field.personal == "subject" else field.name for field in _personal(contract)}
    )


def _personal(contract: Contract) -> list[ContractField]:
    return [field for field in contract.fields if field.personal != "no"]


_ONE_ROW = pl.lit(1, dtype=pl.Int64).alias("rows")


def conflict_rejects(conflicts: pl.DataFrame, key: str) -> pl.DataFrame:
    """Describe rows whose id is known with other content as rejects."""
    return conflicts.select(OBJECT, pl.col(LINE).alias("line"), _ONE_ROW, reason=pl.lit("conflict"), column=pl.lit(key))


def _empty(contract: Contract) -> pl.DataFrame:
    fields: dict[str, pl.DataType] = {field.name: field.dtype for field in contract.fields}
    rest = {ATTRIBUTES: pl.String(), contract.partition: pl.Date(), "available_at": TIMESTAMP}
    return pl.DataFrame(schema={**fields, **rest, OBJECT: pl.UInt32(), LINE: pl.Int64()})


def _ordinals(frames: Mapping[int, pl.DataFrame]) -> pl.Series:
    """Return the ordinal of its object for each row of the frames put together."""
    heights = np.array([frame.height for frame in frames.values()])
    return pl.Series(OBJECT, np.repeat(np.array(list(frames), dtype=np.uint32), heights))


def _alike(frames: Mapping[int, pl.DataFrame]) -> list[dict[int, pl.DataFrame]]:
    """Group frames whose shared columns have the same types, so that they can be validated as one."""
    groups: list[tuple[dict[str, pl.DataType], dict[int, pl.DataFrame]]] = []
    for i, frame in frames.items():
        types = dict(frame.schema)
        for known, members in groups:
            if all(known.get(name, dtype) == dtype for name, dtype in types.items()):
                known.update(types)
                members[i] = frame
                break
        else:
            groups.append((types, {i: frame}))
    return [members for _, members in groups]


def _refused_while_decoding(pieces: Sequence[Piece]) -> pl.DataFrame:
    rows: list[tuple[int, int | None, int, str, str | None]] = []
    for i, piece in enumerate(pieces):
        if piece.fault is not None:
            reason, column = piece.fault
            rows.append((i, None, piece.records, reason, column))
        else:
            rows.extend((i, bad.line, 1, bad.reason, None) for bad in piece.decoded.bad_lines)
    return pl.DataFrame(rows, schema=REJECTS, orient="row")


def _mended_while_decoding(pieces: Sequence[Piece]) -> pl.DataFrame:
    rows = [(i, kind, n) for i, piece in enumerate(pieces) for kind, n in piece.decoded.repairs.items()]
    return pl.DataFrame(rows, schema=_REPAIRS, orient="row")
