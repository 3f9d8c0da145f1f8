"""Parquet: types stay as in the file, except those that have a plain text form."""

from collections import Counter
from collections.abc import Collection
from io import BytesIO

import polars as pl

from churn.errors import UnreadableObject
from churn.landing.decoded import LINE, BadLine, Decoded
from churn.landing.formats.records import most_records
from churn.settings import LandingSettings


def decode_parquet(data: bytes, *, wanted: Collection[str], limits: LandingSettings) -> Decoded:
    """Read a Parquet object; nested values become JSON text, as in JSONL.

    Raises:
        UnreadableObject: `corrupt_parquet`, `duplicate_column`, or `too_large` by what the footer declares.
    """
    names, rows = _footer(data, limits)
    twice = [name for name, times in Counter(names).items() if times > 1]
    if twice:
        known = ", ".join(sorted(set(twice) & set(wanted))) or "not in the contract"
        raise UnreadableObject("duplicate_column", f"{len(twice)} column names appear more than once: {known}")
    kept = [name for name in names if name in wanted and name != LINE]
    try:
        schema = pl.read_parquet_schema(BytesIO(data))
        frame = pl.read_parquet(BytesIO(data), columns=kept) if kept else pl.DataFrame()
        texts = frame.with_columns(_text(column) for column in frame)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError, KeyError) as error:
        raise UnreadableObject("corrupt_parquet", f"reading failed ({type(error).__name__})") from None
    if kept and frame.height != rows:
        raise UnreadableObject("corrupt_parquet", f"{frame.height} rows found, {rows} declared")
    numbered = pl.DataFrame([*texts, pl.int_range(1, rows + 1, dtype=pl.Int64, eager=True).alias(LINE)])
    broken = pl.repeat(False, rows, eager=True)
    for name in kept:
        if schema[name] == pl.Binary:
            broken |= frame[name].is_not_null() & texts[name].is_null()
    return Decoded(
        frame=numbered.filter(~broken) if broken.any() else numbered,
        seen={name: str(dtype) for name, dtype in schema.items()},
        bad_lines=tuple(BadLine(line, "invalid_utf8") for line in numbered[LINE].filter(broken)),
    )


def _footer(data: bytes, limits: LandingSettings) -> tuple[list[str], int]:
    import pyarrow as pa  # type: ignore[import-untyped, unused-ignore]
    import pyarrow.parquet as pq  # type: ignore[import-untyped, unused-ignore]

    try:
        footer = pq.read_metadata(BytesIO(data))
        names = footer.schema.to_arrow_schema().names
        size = sum(footer.row_group(group).total_byte_size for group in range(footer.num_row_groups))
    except (pa.ArrowException, OSError, ValueError) as error:
        raise UnreadableObject("corrupt_parquet", f"the footer cannot be read ({type(error).__name__})") from None
    if footer.num_rows < 0 or size < 0:
        raise UnreadableObject("corrupt_parquet", "the footer declares a negative size")
    if size > limits.max_object_bytes:
        raise UnreadableObject("too_large", f"{size} bytes unpacked, allowed are {limits.max_object_bytes}")
    if footer.num_rows > most_records(limits):
        raise UnreadableObject("too_large", f"{footer.num_rows} records, allowed are {most_records(limits)}")
    return names, footer.num_rows


def _text(column: pl.Series) -> pl.Series:
    """Give binary, categorical and nested columns as text, null where bytes are not UTF-8; others unchanged."""
    if column.dtype == pl.Binary:
        return _utf8(column)
    if column.dtype in (pl.Categorical, pl.Enum):
        return column.cast(pl.String)
    if not column.dtype.is_nested():
        return column
    wrapped = pl.select(pl.struct(column.alias("v"))).to_series().struct.json_encode()
    text = wrapped.str.slice(len('{"v":')).str.head(-1)
    return text.zip_with(column.is_not_null(), pl.Series([None], dtype=pl.String)).alias(column.name)


def _utf8(column: pl.Series) -> pl.Series:
    try:
        return column.cast(pl.String)
    except pl.exceptions.ComputeError:
        return pl.Series(column.name, map(_decoded, column), dtype=pl.String)


def _decoded(value: bytes | None) -> str | None:
    try:
        return None if value is None else value.decode()
    except UnicodeDecodeError:
        return None
