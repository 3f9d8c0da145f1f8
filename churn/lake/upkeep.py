"""Upkeep of the lake: fewer, larger files for readers, and no files that nobody can need any more."""

import math
from datetime import datetime, timedelta

import polars as pl
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError
from pydantic import BaseModel, ConfigDict

from churn.errors import ChurnError, CommitConflict
from churn.lake.files import local_or_url, sizes, table_names
from churn.lake.pins import pinned_versions
from churn.lake.table import Pinned, open_version
from churn.log import get_logger
from churn.settings import UpkeepSettings

log = get_logger(__name__)

FENCE = "compaction"
"""Application id of the fence transaction that every compaction carries."""

SMALL = 128 * 2**20
"""Files of this many bytes and more are left as they are."""

YOUNGEST = timedelta(hours=1)
"""Files younger than this may belong to a writer that is about to commit them; no vacuum goes below."""


class Compaction(BaseModel):
    """What a compaction did; `partitions` is 0 when there was nothing worth it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    partitions: int
    files_before: int
    files_after: int


class TableUpkeep(BaseModel):
    """What upkeep did to one table."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int
    compaction: Compaction
    pinned: tuple[int, ...]
    removed: int


class UpkeepReport(BaseModel):
    """What upkeep did, by table."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    at: datetime
    tables: dict[str, TableUpkeep]


def upkeep(lake_url: str, settings: UpkeepSettings, now: datetime) -> UpkeepReport:
    """Compact, then vacuum every table of the lake.

    Raises:
        ChurnError: as `vacuum`; tables already done stay done.
    """
    lake_url = local_or_url(lake_url)
    return UpkeepReport(at=now, tables={name: _keep_up(lake_url, name, settings) for name in table_names(lake_url)})


def compact(lake_url: str, table: str, min_files: int) -> Compaction:
    """Put the small files of each partition that has at least `min_files` of them into one.

    Rows and fences stay. A partition is a commit of its own, so that memory follows the largest one. Whoever commits
    first wins: an append that comes second gets a `CommitConflict` and decides again; a compaction that comes second
    is left to the next upkeep.
    """
    pinned = open_version(f"{local_or_url(lake_url)}/{table}")
    small = pinned.active.filter(pl.col("size") < SMALL)
    worth = small.group_by("date").len().filter(pl.col("len") >= min_files)["date"].sort()
    files_before = pinned.active.height
    done = 0
    for day in worth:
        try:
            pinned = pinned.rewrite(small.filter(pl.col("date").eq_missing(day)), fence=FENCE)
        except CommitConflict:
            log.info("compaction_postponed", table=table, partitions=len(worth) - done)
            break
        done += 1
    files_after = pinned.active.height
    if done:
        log.info("table_compacted", table=table, partitions=done, before=files_before, after=files_after)
    return Compaction(partitions=done, files_before=files_before, files_after=files_after)


def vacuum(lake_url: str, table: str, older_than: timedelta, *, dry_run: bool = False) -> list[str]:
    """Delete files that neither the latest nor a pinned version names and that are older than `older_than`.

    That covers files of failed appends. Versions that were not pinned stop being readable.

    Args:
        lake_url: the lake.
        table: name of the table.
        older_than: time since a file left the table, or since it was written when it never belonged to it.
        dry_run: only tell which files would go.

    Returns:
        The files, relative to the table.

    Raises:
        ChurnError: `older_than` would endanger a writer at work, or the pins or a pinned version cannot be read.
    """
    if older_than < YOUNGEST:
        raise ChurnError(
            f"{table}: a vacuum below {YOUNGEST} could delete what a writer is about to commit; ask for more"
        )
    lake_url = local_or_url(lake_url)
    pins = pinned_versions(lake_url, table)
    latest = open_version(f"{lake_url}/{table}")
    keep = sorted({*pins, latest.version})
    try:
        # Delta also names files an earlier vacuum deleted, and a vacuum writes two commits: one without any file
        # left to delete would only make writers start again.
        doomed = sorted(sizes(latest.uri).keys() & _vacuum(latest, older_than, keep, dry_run=True))
        if doomed and not dry_run:
            _vacuum(latest, older_than, keep, dry_run=False)
    except DeltaError as error:
        raise ChurnError(
            f"{latest.uri}: not vacuumed ({str(error).splitlines()[0]}); open the pinned versions {pins}, "
            "and unpin those that cannot be opened"
        ) from None
    log.info("table_vacuumed", table=table, files=len(doomed), pinned=len(pins), dry_run=dry_run)
    return doomed


def _vacuum(latest: Pinned, older_than: timedelta, keep: list[int], *, dry_run: bool) -> list[str]:
    return DeltaTable(latest.uri, version=latest.version).vacuum(
        retention_hours=math.ceil(older_than / timedelta(hours=1)),
        dry_run=dry_run,
        enforce_retention_duration=False,
        full=True,
        keep_versions=keep,
    )


def _keep_up(lake_url: str, name: str, settings: UpkeepSettings) -> TableUpkeep:
    compaction = compact(lake_url, name, settings.compact_min_files)
    pins = pinned_versions(lake_url, name)
    removed = vacuum(lake_url, name, settings.vacuum_after)
    version = open_version(f"{lake_url}/{name}").version
    return TableUpkeep(version=version, compaction=compaction, pinned=tuple(pins), removed=len(removed))
