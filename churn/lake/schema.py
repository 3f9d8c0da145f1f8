"""What fits a table: types Delta keeps exactly, columns to add, frames to append."""

import polars as pl
from deltalake import Field
from deltalake import Schema as DeltaSchema

from churn.errors import ChurnError


def exact_fields(uri: str, schema: pl.Schema) -> list[Field]:
    """Return the Delta fields of `schema`.

    Raises:
        ChurnError: Delta would silently keep a column under another type, or a time has no zone.
    """
    delta = DeltaSchema.from_arrow(pl.DataFrame(schema=schema).to_arrow().schema)
    kept = pl.Schema(delta)
    faults = [f"{name} is {dtype}" for name, dtype in schema.items() if kept[name] != dtype or _naive(dtype)]
    if faults:
        raise ChurnError(f"{uri}: no exact Delta type: {', '.join(faults)}; use Int64, Datetime('us', 'UTC') or String")
    return delta.fields


def missing_columns(uri: str, present: pl.Schema, wanted: pl.Schema) -> list[str]:
    """Return the columns of `wanted` that are not present.

    Raises:
        ChurnError: a column is present under another type.
    """
    retyped = [
        f"{name} is {present[name]}, asked for {dtype}"
        for name, dtype in wanted.items()
        if name in present and present[name] != dtype
    ]
    if retyped:
        raise ChurnError(f"{uri}: {'; '.join(retyped)}; give the new column another name")
    return [name for name in wanted if name not in present]


def kept_types(schema: pl.Schema) -> pl.Schema:
    """Return the types a table keeps for a frame: text that a frame holds as categories is text."""
    return pl.Schema(
        {name: pl.String() if isinstance(dtype, pl.Categorical) else dtype for name, dtype in schema.items()}
    )


def check_fits(uri: str, frame: pl.DataFrame, schema: pl.Schema, partition_by: str | None) -> None:
    """Refuse a frame whose columns or types are not kept as exactly `schema`, or whose partition date is null.

    Raises:
        ChurnError: with every fault.
    """
    check_types(uri, kept_types(frame.schema), schema)
    if partition_by and (nulls := frame[partition_by].null_count()):
        raise ChurnError(f"{uri}: the frame does not fit the table: {partition_by} is null in {nulls} rows")


def check_types(uri: str, found: pl.Schema, schema: pl.Schema) -> None:
    """Refuse columns or types that are not exactly `schema`.

    Raises:
        ChurnError: with every fault.
    """
    faults = [f"{name} is missing" for name in schema if name not in found]
    faults += [f"{name} is unknown" for name in found if name not in schema]
    faults += [
        f"{name} is {dtype}, the table has {schema[name]}"
        for name, dtype in found.items()
        if name in schema and dtype != schema[name]
    ]
    if faults:
        raise ChurnError(f"{uri}: the frame does not fit the table: {'; '.join(faults)}")


def _naive(dtype: pl.DataType) -> bool:
    return isinstance(dtype, pl.Datetime) and dtype.time_zone is None
