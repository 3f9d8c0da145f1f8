"""Opening the log of a table, or telling that there is none."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Final

import fsspec
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError

from churn.errors import ChurnError
from churn.lake.files import log_may_exist

_PAUSES: Final = (0.01, 0.05, 0.1)
"""Seconds before another look at a table whose log exists and cannot be found."""


def look(uri: str, version: int | None) -> DeltaTable | None:
    """Open the table if its log exists; look again when that appears meanwhile, because another process makes it.

    Delta reports a log it may not read as not found; taking that for a missing table would lose pins.
    """
    for pause in _PAUSES:
        try:
            return DeltaTable(uri, version=version)
        except TableNotFoundError:
            if not log_may_exist(uri):
                return None
            time.sleep(pause)
    return DeltaTable(uri, version=version)


def is_latest(uri: str, version: int) -> bool:
    """Tell whether the log holds this version and none after it: two look-ups instead of reading the log.

    Log entries are never cleaned up, so the one after tells of all later ones. A look-up that fails says no to a
    version; where the next one only seems to be missing, a commit would find it.
    """
    fs, root = fsspec.core.url_to_fs(uri)
    fs.invalidate_cache()
    held, next_one = (fs.exists(f"{root}/_delta_log/{number:020}.json") for number in (version, version + 1))
    return held and not next_one


def version_at(uri: str, at: datetime | None = None) -> tuple[int, datetime] | None:
    """Return the newest version of a table, or the newest of a moment that has passed, and when it was committed.

    None where there is no table, or was none then.

    Raises:
        ChurnError: its log cannot be read.
    """
    with openable(uri, None):
        table = look(uri, None)
        commits = [] if table is None else table.history(None if at else 1)
    for commit in commits:
        committed_at = datetime.fromtimestamp(commit["timestamp"] / 1000, UTC)
        if at is None or committed_at <= at:
            return int(commit["version"]), committed_at
    return None


@contextmanager
def openable(uri: str, version: int | None) -> Iterator[None]:
    """Say of a version that cannot be read which one it is, and the way out.

    Raises:
        ChurnError: the body failed to read the log.
    """
    try:
        yield
    except (DeltaError, OSError) as error:
        which = "the latest version" if version is None else f"version {version}"
        raise ChurnError(
            f"{uri}: {which} cannot be opened ({first_line(error)}); "
            "check the rights on it, restore _delta_log from a copy of the lake, or open another version"
        ) from None


def first_line(error: Exception | None) -> str:
    """Return the start of an error that may go on for pages."""
    return str(error).partition("\n")[0][:300]
