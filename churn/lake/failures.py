"""What the storage below the lake refuses, told as one error that names the lake and the way out."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

import polars as pl
from deltalake.exceptions import DeltaError

from churn.errors import ChurnError

_NUMBER = re.compile(r"\(os error ([0-9]+)\)")


class LakeFailed(ChurnError):
    """The storage refused or failed; what was committed stays, and nothing half-written is visible."""


@contextmanager
def lake_failures(lake_url: str) -> Iterator[None]:
    """Turn a full disk, denied rights and the like, which every library words differently, into LakeFailed.

    Raises:
        LakeFailed: the body met such a failure.
    """
    try:
        yield
    except (OSError, DeltaError, pl.exceptions.PolarsError) as error:
        cause = _cause(error)
        if cause is None and isinstance(error, pl.exceptions.PolarsError):
            raise
        raise LakeFailed(
            f"{lake_url}: {cause or f'the storage failed ({type(error).__name__})'}; what was committed stays: "
            "look at the disk, the mount and the rights, then run again"
        ) from None


def _cause(error: Exception) -> str | None:
    """Name what the operating system refused, if it was the operating system."""
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    number = _NUMBER.search(str(error))
    return os.strerror(int(number[1])) if number else None
