"""Lazy reads of exactly the files a table version names."""

from collections.abc import Collection

import polars as pl

_FILE = "__file"


def full_paths(uri: str, files: pl.DataFrame) -> list[str]:
    """Return the paths or URLs of files given by their `path` below the table."""
    return [f"{uri}/{path}" for path in files["path"]]


def scan_files(
    uri: str, files: pl.DataFrame, schema: pl.Schema, partition: str | None, columns: Collection[str] | None
) -> pl.LazyFrame:
    """Read files lazily, in the order given.

    Args:
        uri: the table.
        files: `path` and `date` of each file.
        schema: columns of the table; those that an older file lacks are null.
        partition: the date column that is in the log and not in the files, if any.
        columns: columns to return, in this order; all when not given.
    """
    wanted = list(schema) if columns is None else list(columns)
    if files.is_empty():
        return pl.LazyFrame(schema=schema).select(wanted)
    paths = full_paths(uri, files)
    by_folder = partition is not None and _folders_tell(uri, files, partition)
    rows = pl.scan_parquet(
        paths,
        schema={name: dtype for name, dtype in schema.items() if name != partition},
        missing_columns="insert",
        extra_columns="ignore",
        hive_partitioning=by_folder,
        hive_schema={partition: pl.Date} if partition and by_folder else None,
        include_file_paths=_FILE if partition and not by_folder else None,
        glob=False,
    )
    if partition and not by_folder:
        day = pl.col(_FILE).replace_strict(paths, files["date"], return_dtype=pl.Date)
        rows = rows.with_columns(day.alias(partition))
    return rows.select(wanted)


def _folders_tell(uri: str, files: pl.DataFrame, partition: str) -> bool:
    """Tell whether folder names give each file the date the log gives it.

    Reading the date from the folder is four times cheaper, but `key=value` folders above the table would be taken for
    columns too.
    """
    day = pl.col("date").dt.to_string("%Y-%m-%d")
    folder = pl.concat_str(pl.lit(f"{partition}="), day, pl.lit("/"))
    agree = files.select(pl.col("path").str.starts_with(folder).all()).item()
    return bool(agree) and "=" not in uri
