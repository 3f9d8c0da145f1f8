"""What dbt reads: one view per table over exactly the files of a pinned version, in a DuckDB database."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import fsspec
import polars as pl

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SCHEMA = "lake"


def create_view(
    database: "DuckDBPyConnection", name: str, columns: pl.Schema, files: Sequence[str], where: str = "true"
) -> None:
    """Make `lake.<name>` with exactly `columns`; times become UTC without a zone, what the files lack becomes null.

    Args:
        database: where the view is made.
        name: name of the table.
        columns: what dbt expects, with types.
        files: local data files of the pinned version; none gives an empty view.
        where: condition on the columns of the files.
    """
    rows, present = "(select null as nothing)", set[str]()
    if files:
        paths = ", ".join(text(path) for path in files)
        rows = f"read_parquet([{paths}], union_by_name = true, hive_partitioning = false)"
        present = {column for column, *_ in database.sql(f"describe select * from {rows}").fetchall()}
    chosen = ", ".join(_column(column, dtype, column in present) for column, dtype in columns.items())
    condition = where if files else "false"
    database.execute(f"create schema if not exists {SCHEMA}")
    database.execute(f"create or replace view {SCHEMA}.{name} as select {chosen} from {rows} where {condition}")


def local_files(files: Sequence[str], folder: Path) -> list[str]:
    """Return paths DuckDB can read: files of an object store are fetched into `folder` first."""
    if not files or "://" not in files[0]:
        return list(files)
    fs, _ = fsspec.core.url_to_fs(files[0])
    copies = [str(folder / f"{number:06}.parquet") for number in range(len(files))]
    folder.mkdir(parents=True)
    fs.get([fs._strip_protocol(file) for file in files], copies)
    return copies


def text(value: str) -> str:
    """Quote a value for SQL."""
    return "'" + value.replace("'", "''") + "'"


def _column(name: str, dtype: pl.DataType, present: bool) -> str:
    if not present:
        return f"null::{_sql_type(dtype)} as {name}"
    if isinstance(dtype, pl.Datetime):
        # A cast would ask the time zone library for every row, which costs more than the rest of the read.
        return f"make_timestamp(epoch_us({name})) as {name}"
    return name


def _sql_type(dtype: pl.DataType) -> str:
    if isinstance(dtype, pl.Decimal):
        return f"decimal({dtype.precision}, {dtype.scale})"
    names = {pl.String(): "varchar", pl.Int64(): "bigint", pl.Date(): "date", pl.Datetime("us", "UTC"): "timestamp"}
    return names[dtype]
