"""Values of 128 bits as two integer columns, which Parquet keeps as they are: random bytes gain nothing by compression.

The look-up of tokens reads the whole subject map for every batch of unknown values. As integers that takes a quarter of
the CPU it takes as text and binary (docs/benchmarks.md).
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import polars as pl

WIDTH: Final = 16
"""Bytes of a value."""


def halves(values: bytes, names: Sequence[str]) -> pl.DataFrame:
    """Return values that stand one behind the other as two columns (Int64, the first holds the first eight bytes)."""
    pairs = np.frombuffer(values, dtype=">i8").reshape(-1, 2).astype(np.int64)
    return pl.from_numpy(pairs, schema=list(names))


def digits(pairs: pl.DataFrame) -> list[str]:
    """Return the hexadecimal digits of each value given as two columns, 32 of them."""
    text = pairs.to_numpy(order="c").astype(">i8").tobytes().hex()
    return [text[at : at + 2 * WIDTH] for at in range(0, len(text), 2 * WIDTH)]
