"""What casting one source column to its contract type gives, and how slow rows rejoin fast ones."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

WRONG_TYPE = "wrong_type"
OUT_OF_RANGE = "out_of_range"

NO_FAULT = pl.lit(None, dtype=pl.String)


@dataclass(frozen=True)
class Cast:
    """A column in its contract type.

    Attributes:
        values: the typed values; null where the source was null, empty or faulty.
        fault: reason code of the rows that cannot be cast, null elsewhere; None when every row is fine.
        repairs: repair kind → mask of the rows it changed; kinds that changed nothing may be left out.
    """

    values: pl.Series
    fault: pl.Series | None = None
    repairs: Mapping[str, pl.Series] = field(default_factory=dict)


def fault_where(rows: pl.Series, reason: str) -> pl.Series | None:
    """Return `reason` for the rows in the mask and null for the others, or None for an empty mask."""
    if not rows.any():
        return None
    return pl.select(pl.when(rows).then(pl.lit(reason)).otherwise(NO_FAULT)).to_series()


def refuse(source: pl.Series, dtype: pl.DataType) -> Cast:
    """Return nulls, with `wrong_type` wherever the source holds a value."""
    nulls = pl.Series([None], dtype=dtype).new_from_index(0, source.len())
    return Cast(nulls, fault_where(source.is_not_null(), WRONG_TYPE))


def cast_natively(source: pl.Series, dtype: pl.DataType) -> Cast:
    """Cast numbers; a value that does not fit is `out_of_range`."""
    values = source.cast(dtype, strict=False)
    return Cast(values, fault_where(values.is_null() & source.is_not_null(), OUT_OF_RANGE))


def places(rows: pl.Series) -> pl.Series:
    """Return where each row of a mask stands among those it holds, null for the others."""
    return pl.select(pl.when(rows).then(rows.cast(pl.UInt32).cum_sum() - 1)).to_series()


def overlay(values: pl.Series, rows: pl.Series, mended: Cast) -> Cast:
    """Put `mended`, computed for the rows in the mask `rows` alone, back among `values`."""
    at = rows.arg_true()
    fault = None
    if mended.fault is not None and mended.fault.null_count() < mended.fault.len():
        fault = pl.Series([None], dtype=pl.String).new_from_index(0, rows.len()).scatter(at, mended.fault)
    none = pl.Series([False]).new_from_index(0, rows.len())
    return Cast(
        # A copy takes the values: what it shares with the original is copied when it is written to.
        values=values.clone().scatter(at, mended.values),
        fault=fault,
        repairs={kind: none.clone().scatter(at, mask.fill_null(False)) for kind, mask in mended.repairs.items()},
    )
