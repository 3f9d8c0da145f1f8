"""Putting frames of any size into upload order with little memory: a detour over one folder of Parquet files a day."""

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from churn.sources.source import UPLOADED

_DAY = "__uploaded_on"


def in_upload_order(frames: Iterator[pl.DataFrame], folder: Path) -> Iterator[pl.DataFrame]:
    """Yield the same rows as one sorted frame per UTC upload day, oldest first; `folder` is left empty.

    Rows of equal upload time keep their order. Memory holds the larger of one frame and one day.
    """
    for number, frame in enumerate(frames):
        days = frame.with_columns(pl.col(UPLOADED).dt.date().alias(_DAY)).partition_by(
            _DAY, as_dict=True, include_key=False
        )
        for (day,), rows in days.items():
            (folder / f"{day}").mkdir(parents=True, exist_ok=True)
            rows.write_parquet(folder / f"{day}" / f"{number:09}.parquet", compression="lz4")
    for at in sorted(folder.iterdir()):
        pieces = sorted(at.iterdir())
        yield pl.concat([pl.read_parquet(piece) for piece in pieces]).sort(UPLOADED, maintain_order=True)
        for piece in pieces:
            piece.unlink()
        at.rmdir()
