"""What the lake holds, now or at a moment that has passed."""

from datetime import datetime

import polars as pl

from churn.frozen import Frozen
from churn.ingestion.journal import counted, entries
from churn.lake.files import local_or_url, table_names
from churn.lake.opening import version_at
from churn.lake.table import open_table


class TableState(Frozen):
    """A table at its newest version of a moment."""

    table: str
    version: int
    rows: int
    changed_at: datetime


class StreamState(Frozen):
    """How far a stream has been ingested, and what became of its rows.

    Attributes:
        closed_until: end of the last hour that was read through; none before the first.
        newest_time: of the rows appended.
        quarantined: rows that are in quarantine.
    """

    stream: str
    closed_until: datetime | None
    newest_time: datetime | None
    objects: int
    read: int
    appended: int
    duplicate: int
    quarantined: int


class LakeState(Frozen):
    """Tables by name, and the streams that feed them."""

    tables: tuple[TableState, ...]
    streams: tuple[StreamState, ...]


def lake_state(lake_url: str, at: datetime | None = None) -> LakeState:
    """Look at a lake; a table or a stream that was not there yet is left out.

    Raises:
        ChurnError: a table's log cannot be read.
    """
    lake_url = local_or_url(lake_url)
    tables = (_table(lake_url, name, at) for name in sorted(table_names(lake_url)))
    return LakeState(tables=tuple(table for table in tables if table), streams=_streams(lake_url, at))


def _table(lake_url: str, name: str, at: datetime | None) -> TableState | None:
    found = version_at(f"{lake_url}/{name}", at)
    if found is None:
        return None
    version, changed_at = found
    table = open_table(f"{lake_url}/{name}", version)
    return None if table is None else TableState(table=name, version=version, rows=table.rows, changed_at=changed_at)


def _streams(lake_url: str, at: datetime | None) -> tuple[StreamState, ...]:
    rows = entries(lake_url)
    if at is not None:
        rows = rows.filter(pl.col("committed_at") <= at)
    if rows.is_empty():
        return ()
    reached = rows.group_by("stream").agg(pl.col("closed_until", "newest_time").max())
    counts = ["objects", "read", "appended", "duplicate", "quarantined"]
    states = reached.join(counted(rows), on="stream", how="left").sort("stream")
    return tuple(StreamState(**row) for row in states.with_columns(pl.col(counts).fill_null(0)).iter_rows(named=True))
