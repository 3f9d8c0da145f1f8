"""What every source offers, and the time arithmetic they share."""

from collections.abc import Iterator
from typing import Protocol

import polars as pl

from churn.contracts.model import TIMESTAMP
from churn.errors import ChurnError
from churn.settings import Stream

UPLOADED = "__uploaded_at"
"""Column with the UTC time at which a row was uploaded; it picks the landing hour and is not part of the upload."""

ISO = "%Y-%m-%dT%H:%M:%S%:z"


class SourceError(ChurnError):
    """A source is unknown, lacks its files, or holds something it cannot make rows of."""


class Source(Protocol):
    """A data set as an uploader would send it: the contract's column names, values as text, dirt included."""

    @property
    def name(self) -> str:
        """Name that objects carry: lower case letters, digits and dashes."""

    def streams(self) -> tuple[Stream, ...]:
        """Return the streams the source has rows for."""

    def read(self, stream: Stream) -> Iterator[pl.DataFrame]:
        """Yield frames of text columns plus `__uploaded_at` (UTC, never null).

        Frames come by upload time: no row was uploaded in an earlier hour than a row of the frame before.
        """


def to_utc(local: pl.Expr, timezone: str) -> pl.Expr:
    """Turn naive local times into UTC.

    An hour that occurs twice (the clock goes back) is taken as the first of the two; a time that the clock skipped
    is read as if it had not gone forward yet, so 01:30 on the British spring Sunday is 01:30Z.
    """
    shift = pl.duration(hours=1)
    placed = _placed(local, timezone)
    return pl.coalesce(placed, _placed(local - shift, timezone) + shift).dt.convert_time_zone("UTC").cast(TIMESTAMP)


def to_text(moment: pl.Expr, timezone: str) -> pl.Expr:
    """Write UTC times as ISO 8601 with the offset of `timezone`, in whole seconds."""
    return moment.dt.convert_time_zone(timezone).dt.to_string(ISO)


def _placed(local: pl.Expr, timezone: str) -> pl.Expr:
    return local.dt.replace_time_zone(timezone, ambiguous="earliest", non_existent="null")
