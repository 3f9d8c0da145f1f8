"""Parquet: types stay as in the file, except those that have a plain text form.

Read with PyArrow although Polars is faster: one flipped byte can make the Parquet reader of Polars ask for exabytes
and abort the process, and it cannot be caught.
"""

import json
from collections import Counter
from collections.abc import Collection, Sequence
from functools import lru_cache, reduce
from operator import or_
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import polars.selectors as cs

from churn.errors import UnreadableObject
from churn.landing.decoded import LINE, BadLine, Decoded
from churn.landing.formats.records import most_records
from churn.settings import LandingSettings

if TYPE_CHECKING:
    import pyarrow as pa  # type: ignore[import-untyped, unused-ignore]
    import pyarrow.parquet as pq  # type: ignore[import-untyped, unused-ignore]

_BATCH_ROWS = 16_384
_LAST_ASCII = 127


def decode_parquet(data: bytes, *, wanted: Collection[str], limits: LandingSettings) -> Decoded:
    """Read a Parquet object; nested values become JSON text, as in JSONL.

    Raises:
        UnreadableObject: `corrupt_parquet`, `duplicate_column` or `too_large`.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(pa.BufferReader(data))
        names, rows = file.schema_arrow.names, file.metadata.num_rows
        _check_size(file, limits)
        twice = [name for name, times in Counter(names).items() if times > 1]
        if twice:
            known = ", ".join(sorted(set(twice) & set(wanted))) or "not in the contract"
            raise UnreadableObject("duplicate_column", f"{len(twice)} column names appear more than once: {known}")
        kept = [name for name in names if name in wanted and name != LINE]
        seen = {field.name: _type_name(field.type) for field in file.schema_arrow}
        columns = _columns(file, kept, limits) if kept else []
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, pa.ArrowException, *_BROKEN) as error:
        raise UnreadableObject("corrupt_parquet", f"reading failed ({type(error).__name__})") from None
    if any(len(column) != rows for column in columns):
        raise UnreadableObject("corrupt_parquet", f"other than the {rows} rows that the footer declares")
    lines = pl.int_range(1, rows + 1, dtype=pl.Int64, eager=True).alias(LINE)
    texts = [_text(column) for column in columns]
    frame = pl.DataFrame([*texts, lines])
    broken = [
        text.is_null() & column.is_not_null()
        for text, column in zip(texts, columns, strict=True)
        if text.null_count() > column.null_count()
    ]
    if not broken:
        return Decoded(frame=frame, seen=seen)
    anywhere = reduce(or_, broken)
    bad = tuple(BadLine(line, "invalid_utf8") for line in lines.filter(anywhere))
    return Decoded(frame=frame.filter(~anywhere), seen=seen, bad_lines=bad)


_BROKEN = (OSError, ValueError, TypeError, KeyError, IndexError, OverflowError, MemoryError)
"""What PyArrow raises for damaged files, beside errors of its own; memory runs out at sizes nobody meant."""


def _check_size(file: "pq.ParquetFile", limits: LandingSettings) -> None:
    footer = file.metadata
    size = sum(max(0, footer.row_group(group).total_byte_size) for group in range(footer.num_row_groups))
    if size > limits.max_object_bytes:
        raise UnreadableObject("too_large", f"{size} bytes unpacked, allowed are {limits.max_object_bytes}")
    if not 0 <= footer.num_rows <= most_records(limits):
        raise UnreadableObject("too_large", f"{footer.num_rows} records, allowed are {most_records(limits)}")


def _columns(file: "pq.ParquetFile", names: Sequence[str], limits: LandingSettings) -> list[pl.Series]:
    """Read in batches, since a value that is stored once may be repeated by every row."""
    import pyarrow as pa

    batches, size = [], 0
    for batch in file.iter_batches(_BATCH_ROWS, columns=names, use_threads=False):
        batches.append(batch.select(names))
        size += batch.nbytes
        if size > limits.max_object_bytes:
            raise UnreadableObject("too_large", f"more than {limits.max_object_bytes} bytes of values")
    schema = pa.schema([field for field in file.schema_arrow if field.name in set(names)])
    table = pa.Table.from_batches(batches, schema=schema)
    return [_series(name, table.column(name)) for name in names]


def _series(name: str, column: "pa.ChunkedArray") -> pl.Series:
    """Hand a column to Polars, which trusts text to be UTF-8.

    So text that is more than ASCII goes as bytes, which `_text` checks, and nested text is checked here.
    """
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        if not all(map(_is_ascii, column.chunks)):
            column = column.cast(pa.binary() if pa.types.is_string(column.type) else pa.large_binary())
    elif not pa.types.is_primitive(column.type):
        column.validate(full=True)
    return pl.Series(name, column)


def _is_ascii(text: "pa.Array") -> bool:
    """Tell whether no byte behind these texts is outside ASCII, so that they are UTF-8 wherever they are cut."""
    values = text.buffers()[2]
    return values is None or not len(values) or bool(np.frombuffer(values, np.uint8).max() <= _LAST_ASCII)


@lru_cache(maxsize=256)
def _type_name(kind: "pa.DataType") -> str:
    import pyarrow as pa

    try:
        return str(pl.Series(pa.array([], kind)).dtype)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, pa.ArrowException, *_BROKEN):
        return str(kind)


def _text(column: pl.Series) -> pl.Series:
    """Give bytes and nested values as text, null where bytes are not UTF-8; others unchanged."""
    if column.dtype.is_nested():
        plain = _plain_objects(column)
        return pl.Series(column.name, map(_json, column.to_list()), dtype=pl.String) if plain is None else plain
    if column.dtype != pl.Binary:
        return column
    try:
        return column.cast(pl.String)
    except pl.exceptions.ComputeError:
        return pl.Series(column.name, map(_decoded, column), dtype=pl.String)


def _plain_objects(column: pl.Series) -> pl.Series | None:
    """Write objects of numbers, texts and flags alone, at a tenth of the cost; None where there is anything else.

    A number gets the digits that tell it from its neighbours, of which those of 32 bits need nine.
    """
    if not isinstance(column.dtype, pl.Struct) or not column.dtype.fields:
        return None
    members = column.struct.unnest()
    if not all(kind.is_integer() or kind.is_float() or kind in (pl.String, pl.Boolean) for kind in members.dtypes):
        return None
    if not all(values.drop_nulls().is_finite().all() for values in members.select(cs.float())):
        return None
    text = column.struct.json_encode()
    return text if not column.null_count() else pl.select(pl.when(column.is_not_null()).then(text)).to_series()


def _json(value: object) -> str | None:
    try:
        return None if value is None else json.dumps(value, ensure_ascii=False, default=_plain)
    except UnicodeDecodeError:
        return None


def _plain(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _decoded(value: bytes | None) -> str | None:
    try:
        return None if value is None else value.decode()
    except UnicodeDecodeError:
        return None
