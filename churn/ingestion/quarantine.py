"""The quarantine: where a refused row came from and why, never what stood in it.

Rows are written before the commit that accounts for them and count only once that commit is in the journal: what a
crashed attempt left behind is never seen. The newest commit of a landing object replaces what earlier ones said of
it, so that a replay or a corrected upload closes the old entries.
"""

from datetime import datetime

import polars as pl

from churn.contracts.model import TIMESTAMP
from churn.errors import CommitConflict
from churn.ingestion.journal import journal_url
from churn.lake.table import create_table, open_table

SCHEMA = pl.Schema(
    {
        "commit_id": pl.String(),
        "stream": pl.String(),
        "object_id": pl.String(),
        "source_file": pl.String(),
        "landing_hour": TIMESTAMP,
        "line": pl.Int64(),
        "rows": pl.Int64(),
        "reason": pl.String(),
        "column": pl.String(),
        "contract_version": pl.Int64(),
        "quarantined_at": TIMESTAMP,
    }
)
"""`line` is null where a whole object was refused; `rows` then says how many records it held."""


def quarantine_url(lake_url: str) -> str:
    """Where the quarantine of a lake lies."""
    return f"{lake_url}/quarantine"


def add(lake_url: str, rows: pl.DataFrame, quarantined_at: datetime) -> None:
    """Append rows (all columns of SCHEMA but `quarantined_at`) under the fence `quarantine`."""
    stamped = rows.with_columns(quarantined_at=pl.lit(quarantined_at, dtype=TIMESTAMP)).select(SCHEMA.names())
    while True:
        table = create_table(quarantine_url(lake_url), SCHEMA, name="quarantine")
        try:
            table.append(stamped, fence="quarantine")
        except CommitConflict:
            continue
        return


def open_rows(lake_url: str, *, reason: str | None = None, source_file: str | None = None) -> pl.DataFrame:
    """Return the rows that are in quarantine now, oldest first, in the columns of SCHEMA.

    Args:
        lake_url: the lake.
        reason: only rows refused for this reason: its bare name, or with the column, as `missing:customer_id`.
        source_file: only rows of this object, by its safe name.
    """
    table = open_table(quarantine_url(lake_url))
    journal = open_table(journal_url(lake_url))
    if table is None or journal is None:
        return SCHEMA.to_frame()
    commits = (
        journal.scan(["stream", "source_file", "object_id", "commit_id", "ingest_seq", "status"])
        .filter(pl.col("object_id").is_not_null() & (pl.col("status") != "unchanged"))
        .sort("ingest_seq")
        .collect()
    )
    # A replay of the old content may be committed after its replacement was ingested, and says nothing of that.
    file, content = ["stream", "source_file"], ["stream", "source_file", "object_id"]
    contents = commits.filter(pl.col("status") != "replayed").unique(file, keep="last")
    newest = commits.join(contents, on=content, how="semi", maintain_order="left").unique(file, keep="last")
    current = newest.lazy().select(*content, "commit_id")
    rows = table.scan().join(current, on=[*content, "commit_id"], how="semi")
    if reason is not None:
        name, _, column = reason.partition(":")
        rows = rows.filter((pl.col("reason") == name) & (pl.lit(not column) | (pl.col("column") == column)))
    if source_file is not None:
        rows = rows.filter(pl.col("source_file") == source_file)
    return rows.sort("landing_hour", "source_file", "line").collect()
