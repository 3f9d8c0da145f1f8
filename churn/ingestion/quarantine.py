"""The quarantine: where a refused row came from and why, never what stood in it.

Rows are written before the commit that accounts for them and count only once that commit is in the stream's table: what
a crashed attempt left behind is never seen. What counts is the content that lies in the landing zone, as far as it was
ingested: a corrected upload closes the old entries, and they are open again when the old content comes back. Of the
commits of one content the newest counts, so that a replay closes entries too.
"""

from datetime import datetime

import polars as pl

from churn.contracts.model import TIMESTAMP
from churn.errors import AccountingError, CommitConflict
from churn.ingestion.journal import entries
from churn.lake.opened import Opened
from churn.lake.table import open_table

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


def add(lake_url: str, rows: pl.DataFrame, quarantined_at: datetime, opened: Opened) -> None:
    """Append rows (all columns of SCHEMA but `quarantined_at`) under the fence `quarantine`."""
    stamped = rows.with_columns(quarantined_at=pl.lit(quarantined_at, dtype=TIMESTAMP)).select(SCHEMA.names())
    while True:
        table = opened.create(quarantine_url(lake_url), SCHEMA, name="quarantine")
        try:
            opened.follow(table.append(stamped, fence="quarantine"))
        except CommitConflict:
            continue
        return


def open_rows(lake_url: str, *, reason: str | None = None, source_file: str | None = None) -> pl.DataFrame:
    """Return the rows that are in quarantine now, oldest first, in the columns of SCHEMA.

    Args:
        lake_url: the lake.
        reason: only rows refused for this reason: its bare name, or with the column, as `missing:customer_id`.
        source_file: only rows of this object, by its safe name.

    Raises:
        AccountingError: the rows are not those that the journal counted.
    """
    commits = (
        entries(lake_url)
        .select("stream", "source_file", "object_id", "commit_id", "ingest_seq", "status", "quarantined")
        .filter(pl.col("object_id").is_not_null())
        .sort("ingest_seq")
    )
    # Opened after the journal: rows are written before the commit that the journal tells of.
    table = open_table(quarantine_url(lake_url))
    # A replay of the old content may be committed after its replacement was ingested, and says nothing of that.
    file, content = ["stream", "source_file"], ["stream", "source_file", "object_id"]
    contents = commits.filter(pl.col("status") != "replayed").unique(file, keep="last")
    read = commits.filter(pl.col("status") != "unchanged")
    newest = read.join(contents, on=content, how="semi", maintain_order="left").unique(file, keep="last")
    rows = SCHEMA.to_frame()
    if table is not None:
        current = newest.lazy().select(*content, "commit_id")
        rows = (
            table.scan()
            .join(current, on=[*content, "commit_id"], how="semi")
            .sort("landing_hour", "source_file", "line")
            .collect()
        )
    _check(lake_url, rows, newest)
    if reason is not None:
        name, _, column = reason.partition(":")
        rows = rows.filter((pl.col("reason") == name) & (pl.lit(not column) | (pl.col("column") == column)))
    if source_file is not None:
        rows = rows.filter(pl.col("source_file") == source_file)
    return rows


def _check(lake_url: str, rows: pl.DataFrame, newest: pl.DataFrame) -> None:
    """Refuse rows that are not as many as the journal counted, or name a line twice: a replay would lose the others."""
    file = ["stream", "source_file"]
    lines = rows.select(*file, "line")
    found = rows.group_by(file).agg(pl.col("rows").sum().alias("found"))
    counted = newest.join(found, on=file, how="left").with_columns(pl.col("found").fill_null(0))
    wrong = counted.filter(pl.col("found") != pl.col("quarantined")).select("source_file", "found", "quarantined")
    faults = [
        *(f"holds {n} rows of {name}, of which {told} were quarantined" for name, n, told in wrong.iter_rows()),
        *(f"holds line {line} of {name} twice" for _, name, line in lines.filter(lines.is_duplicated()).iter_rows()),
    ]
    if faults:
        raise AccountingError(
            f"{quarantine_url(lake_url)}: {faults[0]}; try again, and if it stays so restore the table from a copy"
        )
