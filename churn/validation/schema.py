"""What an object's columns say before any row is read: missing, unknown, personal, renamed, retyped."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

from churn.contracts import Contract, FieldType
from churn.contracts.model import ATTRIBUTES

ChangeKind = Literal["missing", "unknown_dropped", "personal_dropped", "alias", "retyped"]

_SHOWABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_ ]{0,40}", re.ASCII)
_DIGITS = re.compile(r"\d{5}")
_NESTED = ("List", "Array", "Struct", "Binary", "Duration", "Boolean", "Object", "Time")
_NUMERIC = ("Int", "UInt", "Float", "Decimal")
_REFUSED_ELSE = (*_NESTED, "Date", "Datetime")
_REFUSED: dict[FieldType, tuple[str, ...]] = {
    "timestamp": (*_NESTED, *_NUMERIC),
    "flag": tuple(kind for kind in _REFUSED_ELSE if kind != "Boolean"),
    "object": tuple(kind for kind in _REFUSED_ELSE if kind != "Struct"),
}
"""First words of the types whose values go to quarantine, by field type."""
_TYPE = re.compile(r"[A-Za-z]+", re.ASCII)


@dataclass(frozen=True)
class SchemaChange:
    """One difference between an object and its contract.

    Attributes:
        kind: `missing` (an optional column is absent), `unknown_dropped` and `personal_dropped` (a column the contract
            does not keep), `alias` (a column under another declared name), `retyped` (a type that cannot be cast).
        column: the source column; `<column N>`, counted from 1, where the name itself could be personal: where it looks
            so, and in a header without a single known name, which may be the first row of a file that has no header.
        detail: the contract's name for an alias, the type for `retyped`, otherwise empty.
    """

    kind: ChangeKind
    column: str
    detail: str = ""


def missing_required(seen: Collection[str], contract: Contract) -> list[str]:
    """Return the required fields that no column of the object can fill: no name, no alias, no default."""
    return [
        field.name
        for field in contract.fields
        if field.required and field.default is None and not {field.name, *field.aliases} & set(seen)
    ]


def schema_changes(seen: Mapping[str, str], contract: Contract) -> list[SchemaChange]:
    """Compare the columns of an object, name → type in source order, with the contract."""
    changes = [
        SchemaChange("missing", field.name)
        for field in contract.fields
        if not {field.name, *field.aliases} & set(seen) and (not field.required or field.default is not None)
    ]
    sources = contract.source_names()
    types = {field.name: field.type for field in contract.fields}
    is_header = not {*sources, *contract.attributes, *contract.drop, ATTRIBUTES}.isdisjoint(seen)
    for position, (column, dtype) in enumerate(seen.items(), start=1):
        if column in sources:
            if column != sources[column]:
                changes.append(SchemaChange("alias", column, sources[column]))
            word = _TYPE.match(dtype)
            if word and word.group().startswith(_REFUSED.get(types[sources[column]], _REFUSED_ELSE)):
                changes.append(SchemaChange("retyped", column, word.group()))
        elif column in contract.drop:
            changes.append(SchemaChange("personal_dropped", column))
        elif column not in contract.attributes and column != ATTRIBUTES:
            changes.append(SchemaChange("unknown_dropped", _shown(column, position, is_header=is_header)))
    return changes


def _shown(column: str, position: int, *, is_header: bool) -> str:
    """Return a column name, or its position where a header row may hold somebody's data."""
    plain = is_header and _SHOWABLE.fullmatch(column) and not _DIGITS.search(column)
    return column if plain else f"<column {position}>"
