"""Rows against their contract: cast, repair or reject, whole columns at a time."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cached_property

import polars as pl

from churn.contracts import Contract, ContractField
from churn.contracts.model import ATTRIBUTES, TIMESTAMP
from churn.landing.decoded import LINE
from churn.validation.attributes import collect_attributes
from churn.validation.casts import NO_FAULT, Cast, fault_where
from churn.validation.codes import cast_code
from churn.validation.decimals import cast_decimal
from churn.validation.platform import cast_platform
from churn.validation.timestamps import cast_timestamp

OBJECT = "__object"
"""Column that holds the ordinal of the object within the batch."""
AVAILABLE_AT = "available_at"
_BOOKKEEPING = {AVAILABLE_AT: TIMESTAMP, OBJECT: pl.UInt32(), LINE: pl.Int64()}


@dataclass(frozen=True)
class Validated:
    """A batch after validation; every input row is in `frame` or, once, in `rejects`.

    Attributes:
        rows: contract columns (personal ones still raw, other codes String or Categorical), `attributes`, the date
            partition, `available_at`, `__object` and `__line` of every input row, refused ones among them.
        sound: mask of the rows that keep the contract; None when all do.
        rejects: `__object`, `__line`, `reason`, `column`: the first fault of each bad row, in contract order.
        repairs: `__object`, `kind`, `rows`: accepted rows that each kind of repair changed, by object.
    """

    rows: pl.DataFrame
    sound: pl.Series | None
    rejects: pl.DataFrame
    repairs: pl.DataFrame

    @cached_property
    def frame(self) -> pl.DataFrame:
        """The rows that keep the contract; to copy them costs as much as to validate them."""
        return self.rows if self.sound is None else self.rows.filter(self.sound)


def validate(frame: pl.DataFrame, contract: Contract, *, timezone: str, skew: timedelta) -> Validated:
    """Hold every row of a batch against its contract.

    Args:
        frame: source columns of any type plus `__object`, `__line` and `available_at`.
        contract: what the rows must look like.
        timezone: IANA zone of times that come without one.
        skew: how far a time may lie after `available_at`.
    """
    casts: dict[str, Cast] = {}
    for field in contract.fields:
        cast = _field(frame, field, timezone)
        if field.type == "timestamp":
            cast = _within_bounds(cast, field, contract, frame[AVAILABLE_AT], skew)
        if field.required:
            cast = _add_fault(cast, cast.values.is_null(), "missing")
        casts[field.name] = cast
    attributes = collect_attributes(frame, contract)
    masks = {kind: mask for cast in casts.values() for kind, mask in cast.repairs.items()}
    if attributes.dropped is not None:
        masks["attribute_dropped"] = attributes.dropped
    books = [frame[name].cast(dtype).alias(name) for name, dtype in _BOOKKEEPING.items()]
    rows = pl.DataFrame(
        [cast.values.alias(name) for name, cast in casts.items()]
        + [
            attributes.values.alias(ATTRIBUTES),
            casts[contract.time].values.dt.date().alias(contract.partition),
            *books,
        ]
    )
    faults = {name: cast.fault for name, cast in casts.items() if cast.fault is not None}
    if not faults:
        nothing = rows.select(OBJECT, LINE).clear().with_columns(reason=NO_FAULT, column=NO_FAULT)
        return Validated(rows, None, nothing, _repairs(rows[OBJECT], masks))
    sound = pl.select(pl.all_horizontal(fault.is_null() for fault in faults.values())).to_series()
    rejects = _rejects(rows, faults, (~sound).arg_true())
    return Validated(rows, sound, rejects, _repairs(rows[OBJECT], {kind: mask & sound for kind, mask in masks.items()}))


def _field(frame: pl.DataFrame, field: ContractField, timezone: str) -> Cast:
    """Cast every column that may hold the field and bring them together; fill in the default."""
    sources = [name for name in (field.name, *field.aliases) if name in frame.columns]
    casts = [_cast(frame[name], field, timezone) for name in sources]
    repairs = _merge((f"{kind}:{field.name}", mask) for cast in casts for kind, mask in cast.repairs.items())
    for name, cast in zip(sources, casts, strict=True):
        if name != field.name and (used := cast.values.is_not_null()).any():
            repairs[f"alias:{name}"] = used
    if len(casts) > 1 or field.default is not None:
        casts = [replace(cast, values=cast.values.cast(field.dtype)) for cast in casts]
    if not casts:
        values, fault = pl.Series([None], dtype=field.dtype).new_from_index(0, frame.height), None
    else:
        values, fault = casts[0].values, casts[0].fault
    for cast in casts[1:]:
        both = _add_fault(Cast(values, fault), (values != cast.values).fill_null(False), "ambiguous_alias")
        fault = _first([both.fault, cast.fault])
        values = values.zip_with(values.is_not_null(), cast.values)
    if field.default is not None:
        empty = values.is_null()
        if empty.any():
            filling = pl.Series([field.typed_default], dtype=field.dtype).new_from_index(0, frame.height)
            values = values.zip_with(~empty, filling)
            repairs[f"default:{field.name}"] = empty
    return Cast(values, fault, repairs)


def _cast(source: pl.Series, field: ContractField, timezone: str) -> Cast:
    if source.null_count() == source.len():
        return Cast(pl.Series([None], dtype=field.dtype).new_from_index(0, source.len()))
    if field.type == "code":
        return cast_code(source, field)
    if field.type == "decimal":
        return cast_decimal(source, field)
    if field.type == "timestamp":
        return cast_timestamp(source, field, timezone)
    return cast_platform(source, field)


def _within_bounds(
    cast: Cast, field: ContractField, contract: Contract, available_at: pl.Series, skew: timedelta
) -> Cast:
    """Refuse times that cannot be true: before the contract's floor or after the row was available."""
    if field.name != contract.time:
        return cast
    early = (cast.values < contract.floor).fill_null(False)
    late = (cast.values > available_at.cast(TIMESTAMP) + skew).fill_null(False)
    return _add_fault(_add_fault(cast, early, "before_floor"), late, "in_the_future")


def _add_fault(cast: Cast, rows: pl.Series, reason: str) -> Cast:
    """Give `reason` to the rows of the mask that have no fault yet."""
    fault = _first([cast.fault, fault_where(rows, reason)])
    return Cast(cast.values, fault, cast.repairs)


def _first(faults: Iterable[pl.Series | None]) -> pl.Series | None:
    """Return the first fault of each row."""
    known = [fault for fault in faults if fault is not None]
    if len(known) < 2:
        return known[0] if known else None
    return pl.select(pl.coalesce(*(pl.lit(fault) for fault in known))).to_series()


def _merge(masks: Iterable[tuple[str, pl.Series]]) -> dict[str, pl.Series]:
    """Unite masks of the same kind and leave out the empty ones."""
    merged: dict[str, pl.Series] = {}
    for kind, mask in masks:
        if mask.any():
            merged[kind] = merged[kind] | mask if kind in merged else mask
    return merged


def _rejects(rows: pl.DataFrame, faults: Mapping[str, pl.Series], bad: pl.Series) -> pl.DataFrame:
    """List each bad row once, with its first fault."""
    of_bad = {name: fault.gather(bad) for name, fault in faults.items()}
    reason = pl.coalesce(*(pl.lit(fault) for fault in of_bad.values()))
    column = pl.coalesce(*(pl.when(fault.is_not_null()).then(pl.lit(name)) for name, fault in of_bad.items()))
    return pl.DataFrame([rows[OBJECT], rows[LINE]])[bad].with_columns(reason=reason, column=column)


def _repairs(objects: pl.Series, masks: Mapping[str, pl.Series]) -> pl.DataFrame:
    """Count the repaired rows by object and kind."""
    counts = [
        objects.filter(mask)
        .value_counts(name="rows")
        .select(OBJECT, kind=pl.lit(kind), rows=pl.col("rows").cast(pl.UInt32))
        for kind, mask in masks.items()
        if mask.any()
    ]
    if not counts:
        return pl.DataFrame(schema={OBJECT: pl.UInt32, "kind": pl.String, "rows": pl.UInt32})
    return pl.concat(counts).sort(OBJECT, "kind")
