"""What decoding one landing object gives, whatever its format."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

LINE = "__line"
"""Column that numbers the records: the physical line in JSONL and CSV (header included), the row from 1 in Parquet."""


@dataclass(frozen=True)
class BadLine:
    """A record that could not be decoded; its text is never kept."""

    line: int
    reason: str


@dataclass(frozen=True)
class Decoded:
    """The records of one object, untyped.

    Attributes:
        frame: source columns as found (strings for text formats, any type for Parquet) plus `__line`.
        seen: source column names and the names of their types, also of columns left out of `frame`.
        bad_lines: records that are not in `frame`.
        repairs: what decoding mended, as code → number of records or 1 for the object (`bom`, `crlf`, …).
    """

    frame: pl.DataFrame
    seen: Mapping[str, str]
    bad_lines: tuple[BadLine, ...] = ()
    repairs: Mapping[str, int] = field(default_factory=dict)

    @property
    def records(self) -> int:
        """Records read: decoded and bad ones together."""
        return self.frame.height + len(self.bad_lines)
