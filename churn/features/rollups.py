"""The stored rollups: what is kept of events in the lake, so that a build costs what is new and not what is old.

Each commit covers the range of `ingest_seq` right after the one before it and is decided against one version of the
table, so that of two builders at once one stores its range and the other's is dropped. A rollup that is missing or
behind costs time and changes nothing: a build computes the rest from the events.
"""

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from churn.errors import CommitConflict
from churn.features.tables import ROLLUPS, SEQUENCE
from churn.lake.create import create_table
from churn.lake.reading import full_paths, scan_files
from churn.lake.table import Pinned, open_table
from churn.log import get_logger

log = get_logger(__name__)

FENCE = "rollup"


@dataclass(frozen=True)
class StoredRollup:
    """The part of one stored rollup that a snapshot may use.

    Attributes:
        files: full paths; rows with an `ingest_seq` above `reach` in them belong to later snapshots.
        reach: newest `ingest_seq` covered; 0 when nothing is stored.
        is_tip: nothing later is stored, so that a new range may follow.
    """

    table: str
    lake_url: str
    files: tuple[str, ...]
    reach: int
    is_tip: bool
    pinned: Pinned | None

    def append(self, file: Path, through: int) -> None:
        """Store the range from `reach` to `through`, unless another builder was faster or it would leave a gap."""
        rows = pl.scan_parquet(file, glob=False).select(pl.len()).collect().item()
        if not self.is_tip or not rows:
            return
        pinned = self.pinned or create_table(f"{self.lake_url}/{self.table}", ROLLUPS[self.table], name=self.table)
        if self.pinned is None and pinned.fence(FENCE):
            return
        try:
            pinned.replace_files(
                [(file, None)], pinned.active.clear(), fence=FENCE, metadata={"after": self.reach, "through": through}
            )
        except CommitConflict:
            log.info("rollup_stored_by_another", table=self.table, after=self.reach, through=through)
            return
        log.info("rollup_stored", table=self.table, after=self.reach, through=through, rows=rows)


def stored_rollup(lake_url: str, table: str, through: int) -> StoredRollup:
    """Open a stored rollup as far as a snapshot reaches whose newest commit is `through`."""
    pinned = open_table(f"{lake_url}/{table}")
    if pinned is None:
        return StoredRollup(table, lake_url, (), 0, True, None)
    ranges = pinned.active.join(pinned.sequences, on="path")
    used = ranges.filter((pl.col("first") <= through).fill_null(True))
    # A compacted file holds several ranges, of which the snapshot may need only the first ones.
    mixed = used.filter((pl.col("last") > through).fill_null(True))
    rows = scan_files(pinned.uri, mixed, pinned.schema, None, [SEQUENCE]).filter(pl.col(SEQUENCE) <= through)
    newest = [used.filter(pl.col("last") <= through)["last"].max(), rows.max().collect().item()]
    reach = max((number for number in newest if isinstance(number, int)), default=0)
    is_tip = mixed.is_empty() and used.height == ranges.height
    return StoredRollup(table, lake_url, tuple(full_paths(pinned.uri, used)), reach, is_tip, pinned)
