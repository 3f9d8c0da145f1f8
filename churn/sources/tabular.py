"""Opening CSV, JSONL and Parquet exports in chunks, whatever their encoding and packing."""

import gzip
import shutil
import zlib
from collections.abc import Collection, Iterator
from itertools import islice
from pathlib import Path

import orjson
import polars as pl

from churn.landing.layout import EXTENSIONS, Format
from churn.sources.mapping import Encoding

CHUNK_ROWS = 200_000
PEEK_LINES = 1_000
UNREADABLE = (pl.exceptions.PolarsError, OSError, EOFError, zlib.error, UnicodeDecodeError, orjson.JSONDecodeError)
"""What the libraries raise for a file that is not what it should be."""

_COPY_BYTES = 1 << 20


def format_of(file: Path) -> Format | None:
    """Tell the format by the extension, with or without `.gz`; None for an extension that says nothing."""
    extension = file.name.removesuffix(".gz").rpartition(".")[2]
    known = EXTENSIONS.get(extension)
    return known[0] if known else None


def unpack(file: Path, encoding: Encoding, scratch: Path) -> Path:
    """Return a plain UTF-8 version of a file: itself where it is one, otherwise a copy at `scratch`."""
    packed = file.suffix == ".gz"
    if encoding == "utf-8" and not packed:
        return file
    with gzip.open(file) if packed else file.open("rb") as stored, scratch.open("wb") as plain:
        if encoding == "utf-8":
            shutil.copyfileobj(stored, plain, _COPY_BYTES)
        else:
            while block := stored.read(_COPY_BYTES):
                plain.write(block.decode(encoding).encode())
    return scratch


def column_names(file: Path, format: Format, delimiter: str) -> list[str]:
    """Return the columns of a file; of JSONL the keys of its first 1,000 records."""
    if format == "csv":
        return pl.scan_csv(file, separator=delimiter, infer_schema=False).collect_schema().names()
    if format == "parquet":
        return pl.scan_parquet(file).collect_schema().names()
    with file.open("rb") as lines:
        records = (orjson.loads(line) for line in islice(lines, PEEK_LINES) if line.strip())
        return list(dict.fromkeys(key for record in records if isinstance(record, dict) for key in record))


def chunks(file: Path, format: Format, delimiter: str, columns: Collection[str]) -> Iterator[pl.DataFrame]:
    """Yield the wanted columns in chunks: as text from CSV and JSONL, as they are from Parquet.

    JSON numbers take their shortest form on the way: 20.0 becomes `20`.
    """
    wanted = sorted(set(columns))
    rows = {
        "csv": lambda: pl.scan_csv(file, separator=delimiter, infer_schema=False),
        "jsonl": lambda: pl.scan_ndjson(file, schema=dict.fromkeys(wanted, pl.String())),
        "parquet": lambda: pl.scan_parquet(file),
    }[format]()
    yield from rows.select(wanted).collect_batches(chunk_size=CHUNK_ROWS, lazy=True)
