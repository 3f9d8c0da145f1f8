"""Declared safe attributes: from columns of their own and from a source column `attributes`, to one JSON text."""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from churn.contracts import AttributeType, Contract
from churn.contracts.model import ATTRIBUTES

_NUMBER = r"^[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?$"
_LARGEST = 1e9
"""A larger number is an identifier or a telephone number, not a measure."""
_CATEGORY = r"^[A-Za-z0-9][A-Za-z0-9 _./+%€$-]{0,63}$"
_SEVEN_DIGITS = r"(?:[0-9][ _./+-]*){7}"
"""Phone, card and account numbers, network addresses and dates of birth, however they are grouped."""
_SIX_WORDS = r"^(?:[^ ]+ +){5}[^ ]"
_KEY = r'"(?:[^"\\]|\\.)*"\s*:'
_NULL_KEY = r'"(?:[^"\\]|\\.)*"\s*:\s*null\b'


@dataclass(frozen=True)
class Attributes:
    """The JSON column and what was left out.

    Attributes:
        values: JSON object text with sorted keys, null where nothing declared was found.
        dropped: mask of the rows that lost an undeclared key or an unsafe value; None when no row did.
    """

    values: pl.Series
    dropped: pl.Series | None = None


@dataclass(frozen=True)
class _Nested:
    """A source column `attributes` taken apart: its declared keys, and how many keys each row held in all."""

    keys: Mapping[str, pl.Series]
    held: pl.Series


def collect_attributes(frame: pl.DataFrame, contract: Contract) -> Attributes:
    """Keep the declared attributes of each row, by type, and nothing else."""
    declared = sorted(contract.attributes)
    filled = [
        name for name in (*declared, ATTRIBUTES) if name in frame.columns and frame[name].null_count() < frame.height
    ]
    if not filled:
        return Attributes(pl.Series([None], dtype=pl.String).new_from_index(0, frame.height))
    found: dict[str, list[pl.Series]] = {
        name: [_typed(frame[name], contract.attributes[name])] for name in filled if name != ATTRIBUTES
    }
    lost = [_present(frame[name]) & texts[0].is_null() for name, texts in found.items()]
    if ATTRIBUTES in filled:
        nested = _take_apart(frame[ATTRIBUTES], declared)
        kept = {name: _typed(values, contract.attributes[name]) for name, values in nested.keys.items()}
        count = pl.sum_horizontal(pl.lit(0), *(text.is_not_null().cast(pl.Int64) for text in kept.values()))
        lost.append(pl.select(pl.lit(nested.held) > count).to_series().fill_null(False))
        for name, text in kept.items():
            found.setdefault(name, []).append(text)
    dropped = pl.select(pl.any_horizontal(*lost)).to_series()
    return Attributes(_json(found, frame.height), dropped if dropped.any() else None)


def _take_apart(column: pl.Series, declared: list[str]) -> _Nested:
    """Read JSON text, structs and maps; a value of any other type counts as one key that nobody declared."""
    dtype = column.dtype
    if dtype == pl.String:
        return _take_text_apart(column, declared)
    if isinstance(dtype, pl.Struct):
        keys = {field.name: column.struct.field(field.name) for field in dtype.fields}
        none = pl.zeros(column.len(), pl.Int64, eager=True)
        held = pl.select(pl.sum_horizontal(none, *(_present(value).cast(pl.Int64) for value in keys.values())))
        return _Nested({name: keys[name] for name in declared if name in keys}, held.to_series())
    if _is_map(dtype):
        entry = pl.element().struct
        keys = {
            name: column.list.eval(entry.field("value").filter(entry.field("key") == name)).list.first()
            for name in declared
        }
        return _Nested(keys, column.list.eval(entry.field("value").is_not_null().cast(pl.Int64)).list.sum())
    return _Nested({}, column.is_not_null().cast(pl.Int64))


def _take_text_apart(column: pl.Series, declared: list[str]) -> _Nested:
    objects = column.str.contains(r"^\s*\{").fill_null(False)
    blank = column.str.contains(r"^\s*(?:null\s*)?$").fill_null(True)
    text = pl.select(pl.when(objects).then(column)).to_series()
    keys = {
        name: text.str.json_path_match(f"$['{name}']")
        for name in declared
        if column.str.contains(f'"{name}"', literal=True).any()
    }
    pairs = text.str.count_matches(_KEY).cast(pl.Int64) - text.str.count_matches(_NULL_KEY).cast(pl.Int64)
    held = pl.select(pl.when(objects).then(pairs).when(blank).then(0).otherwise(1)).to_series()
    return _Nested(keys, held)


def _is_map(dtype: pl.DataType) -> bool:
    """Whether this is how Parquet's map type arrives: a list of key and value pairs."""
    if not isinstance(dtype, pl.List) or not isinstance(dtype.inner, pl.Struct):
        return False
    types = {field.name: field.dtype for field in dtype.inner.fields}
    return set(types) == {"key", "value"} and types["key"] == pl.String


def _present(values: pl.Series) -> pl.Series:
    """Mask the rows that hold something: blank text is nothing."""
    if values.dtype != pl.String:
        return values.is_not_null()
    return values.str.contains(r"\S").fill_null(False)


def _typed(source: pl.Series, kind: AttributeType) -> pl.Series:
    """Return the JSON text of each safe value, null for the others."""
    dtype = source.dtype
    readable = dtype.is_numeric() or dtype in (pl.String, pl.Boolean) or isinstance(dtype, pl.Categorical | pl.Enum)
    if not readable:
        return pl.Series([None], dtype=pl.String).new_from_index(0, source.len())
    text = pl.col("text")
    printed = source.cast(pl.String)
    if dtype.is_float():
        printed = printed.str.strip_suffix(".0")
    frame = pl.DataFrame({"text": printed.str.strip_chars()})
    if kind == "boolean":
        lower = text.str.to_lowercase()
        return frame.select(pl.when(lower.is_in(["true", "false"])).then(lower)).to_series()
    if kind == "category":
        safe = text.str.contains(_CATEGORY) & ~text.str.contains(_SEVEN_DIGITS) & ~text.str.contains(_SIX_WORDS)
        return frame.select(pl.when(safe).then(pl.concat_str(pl.lit('"'), text, pl.lit('"')))).to_series()
    number = pl.when(text.str.contains(_NUMBER)).then(text.cast(pl.Float64, strict=False))
    whole = pl.col("number").cast(pl.Int64, strict=False)
    return (
        frame.select(number=number)
        .select(pl.when(pl.col("number").abs() <= _LARGEST).then("number"))
        .select(
            pl.when(pl.col("number") == whole).then(whole.cast(pl.String)).otherwise(pl.col("number").cast(pl.String))
        )
        .to_series()
    )


def _json(found: Mapping[str, list[pl.Series]], height: int) -> pl.Series:
    """Write the objects; names and values need no escaping, as contract and `_typed` see to it."""
    if not found:
        return pl.Series([None], dtype=pl.String).new_from_index(0, height)
    members = [
        pl.concat_str(pl.lit(f'"{name}":'), pl.coalesce(*(pl.lit(text) for text in found[name])))
        for name in sorted(found)
    ]
    body = pl.concat_str(members, separator=",", ignore_nulls=True)
    return (
        pl.select(body=body)
        .select(pl.when(pl.col("body") != "").then(pl.concat_str(pl.lit("{"), pl.col("body"), pl.lit("}"))))
        .to_series()
    )
