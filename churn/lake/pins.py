"""Pins: which table versions somebody still needs, so that no vacuum removes their files.

The `pins` table only grows: a row says that `by` pinned or unpinned a version, the last row counts.
"""

from collections.abc import Callable
from datetime import datetime

import polars as pl

from churn.errors import CommitConflict, SnapshotError
from churn.lake.create import create_table
from churn.lake.files import local_or_url
from churn.lake.snapshot import DataSnapshot
from churn.lake.table import open_table

PINS = "pins"
_SCHEMA = pl.Schema(
    [
        ("sequence", pl.Int64()),
        ("table", pl.String()),
        ("version", pl.Int64()),
        ("by", pl.String()),
        ("action", pl.String()),
        ("at", pl.Datetime("us", "UTC")),
    ]
)
_ATTEMPTS = 20

_Pin = tuple[str, int]


def pin(lake_url: str, snapshot: DataSnapshot, by: str, at: datetime) -> None:
    """Keep the versions of `snapshot` readable until `by` unpins them; pinning twice changes nothing.

    Args:
        lake_url: the lake the snapshot was taken from.
        snapshot: the versions to keep.
        by: who needs them, such as a model version.
        at: time of the decision, for audit.

    Raises:
        SnapshotError: a table lies in another lake, or a version can no longer be read; nothing stays pinned.
    """
    lake_url = local_or_url(lake_url)
    for name, table in snapshot.tables.items():
        if table.uri != f"{lake_url}/{name}":
            raise SnapshotError(f"{table.uri}: not in the lake {lake_url}; pin it in its own")
    wanted = {(name, table.version) for name, table in snapshot.tables.items()}
    _record(lake_url, by, "pin", at, lambda held: wanted - held)
    try:
        # Checked after the pin is in the log: a vacuum that starts from here on keeps the files.
        snapshot.verify()
    except SnapshotError:
        _record(lake_url, by, "unpin", at, lambda held: wanted & held)
        raise


def unpin(lake_url: str, by: str, at: datetime) -> None:
    """Give up everything `by` pinned; nothing to give up is no error."""
    _record(local_or_url(lake_url), by, "unpin", at, lambda held: held)


def pinned_versions(lake_url: str, table: str) -> list[int]:
    """Return the versions of `table` that at least one holder pins, ascending.

    Raises:
        ChurnError: the pins exist but cannot be read; who would delete files must stop.
    """
    return sorted({version for name, version, _ in _held(local_or_url(lake_url)) if name == table})


def _record(lake_url: str, by: str, action: str, at: datetime, choose: Callable[[set[_Pin]], set[_Pin]]) -> None:
    for _ in range(_ATTEMPTS):
        pins = create_table(f"{lake_url}/{PINS}", _SCHEMA, name=PINS)
        chosen = sorted(choose({(table, version) for table, version, holder in _held(lake_url) if holder == by}))
        if not chosen:
            return
        sequence = pins.fence(PINS) + 1
        rows = [(sequence, table, version, by, action, at) for table, version in chosen]
        try:
            pins.append(pl.DataFrame(rows, schema=_SCHEMA, orient="row"), fence=PINS)
        except CommitConflict:
            continue
        return
    raise CommitConflict(f"{lake_url}/{PINS}: {_ATTEMPTS} attempts to {action} lost to other writers; try again")


def _held(lake_url: str) -> set[tuple[str, int, str]]:
    pins = open_table(f"{lake_url}/{PINS}")
    if pins is None:
        return set()
    last = pins.scan().sort("sequence").group_by("table", "version", "by").agg(pl.col("action").last()).collect()
    return set(last.filter(pl.col("action") == "pin").select("table", "version", "by").rows())
