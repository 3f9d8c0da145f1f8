"""Groups of customers that are judged on their own: by plan, by country, by tenure."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

UNKNOWN = "unknown"
OTHERS = "others"

Segment = tuple[str, str, NDArray[np.bool_]]
"""Column, value or band, and which rows belong to it."""

Found = TypeVar("Found")


def by_value(frame: pl.DataFrame, column: str, most: int) -> Iterator[Segment]:
    """Return a segment for each of the `most` frequent values, and one for all others."""
    values = frame[column].cast(pl.String).fill_null(UNKNOWN)
    counts = values.value_counts().sort("count", values.name, descending=[True, False])
    named = counts[values.name].to_list()
    kept = named if len(named) <= most else named[:most]
    for value in kept:
        yield column, value, (values == value).to_numpy()
    if len(kept) < len(named):
        yield column, OTHERS, (~values.is_in(kept)).to_numpy()


def by_band(frame: pl.DataFrame, column: str, borders: Sequence[float]) -> Iterator[Segment]:
    """Return a segment for each band of a number that holds rows, the lower border included."""
    number = frame[column].cast(pl.Float64).to_numpy()
    edges = [-np.inf, *borders, np.inf]
    for low, high in pairwise(edges):
        rows = (number >= low) & (number < high)
        if rows.any():
            yield column, _name(low, high), rows
    if (gaps := np.isnan(number)).any():
        yield column, UNKNOWN, gaps


def each_group(
    segments: Iterable[Segment], everybody: Found, look: Callable[[NDArray[np.bool_]], Found]
) -> Iterator[tuple[Segment, Found]]:
    """Return every segment with what a look at its rows finds; rows that make several segments are looked at once.

    Args:
        segments: groups of the same rows.
        everybody: what a look at all rows has found; a column without values makes them a segment.
        look: takes which rows belong to a group.
    """
    seen: dict[bytes, Found] = {}
    for segment in segments:
        rows = segment[2]
        if (key := rows.tobytes()) not in seen:
            seen[key] = everybody if rows.all() else look(rows)
        yield segment, seen[key]


def _name(low: float, high: float) -> str:
    if np.isinf(low):
        return f"below {high:g}"
    return f"from {low:g}" if np.isinf(high) else f"{low:g} to {high:g}"
