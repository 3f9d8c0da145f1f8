"""Frames as bytes in the formats the landing zone takes; the same frame always gives the same bytes."""

import gzip
from io import BytesIO
from typing import Literal

import polars as pl

UploadFormat = Literal["jsonl", "jsonl.gz", "csv", "csv.gz", "parquet"]


def encode(frame: pl.DataFrame, format: UploadFormat) -> bytes:
    """Write a frame as one upload; gzip carries no time stamp."""
    if format == "parquet":
        buffer = BytesIO()
        frame.write_parquet(buffer, compression="zstd")
        return buffer.getvalue()
    text = frame.write_ndjson() if format.startswith("jsonl") else frame.write_csv()
    data = text.encode()
    return gzip.compress(data, mtime=0) if format.endswith(".gz") else data
