"""The journal: one row per landing object and commit, so that what is new is found without opening any object.

The commit metadata of the stream's own table is the authority; the journal repeats it in a form that is quick to
read. It follows a run every few commits and at its end; whoever finds it behind, after a crash, brings it up to date.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from churn.contracts.model import TIMESTAMP
from churn.errors import ChurnError, CommitConflict
from churn.ingestion.report import Counts
from churn.lake.opened import Opened
from churn.lake.table import Pinned, open_table
from churn.settings import STREAMS

FENCE = "ingest"
"""Application id of the fence transaction that every ingestion commit carries."""

SCHEMA = pl.Schema(
    {
        "stream": pl.String(),
        "ingest_seq": pl.Int64(),
        "commit_id": pl.String(),
        "run_id": pl.String(),
        "committed_at": TIMESTAMP,
        "closed_until": TIMESTAMP,
        "newest_time": TIMESTAMP,
        "differences": pl.String(),
        "object_id": pl.String(),
        "source_file": pl.String(),
        "etag": pl.String(),
        "landing_hour": TIMESTAMP,
        "available_at": TIMESTAMP,
        "status": pl.String(),
        "bytes": pl.Int64(),
        "read": pl.Int64(),
        "appended": pl.Int64(),
        "duplicate": pl.Int64(),
        "quarantined": pl.Int64(),
        "repairs": pl.String(),
        "reasons": pl.String(),
    }
)


@dataclass(frozen=True)
class StreamJournal:
    """What is known of one stream before a run.

    Attributes:
        sequence: the last ingestion commit.
        known: source file and newest etag of every object; one that holds this version needs no second look.
        closed_until: end of the last hour an earlier run has read through.
        newest_time: latest event time appended so far.
        last_object_hour: landing hour of the newest object so far.
        differences: schema differences met before, as `kind:column`.
    """

    sequence: int
    known: Mapping[str, str]
    closed_until: datetime | None
    newest_time: datetime | None
    last_object_hour: datetime | None
    differences: frozenset[str]


def journal_url(lake_url: str) -> str:
    """Where the journal of a lake lies."""
    return f"{lake_url}/journal"


def catch_up(lake_url: str, stream: str, table: Pinned, opened: Opened) -> None:
    """Write every commit of `table` that the journal lacks, in order, each exactly once, all at once."""
    journal = opened.create(journal_url(lake_url), SCHEMA, name="journal")
    fence = f"journal:{stream}"
    while (recorded := journal.fence(fence)) < table.fence(FENCE):
        try:
            commits = table.metadata_since(FENCE, recorded)
            rows = pl.concat([_rows(stream, commit) for commit in commits])
            journal = opened.follow(journal.append(rows, fence=fence, steps=len(commits)))
        except CommitConflict:
            journal = opened.create(journal_url(lake_url), SCHEMA, name="journal")


def require_table(lake_url: str, stream: str, opened: Opened) -> None:
    """Refuse a table that is older than its journal: what it lost would be taken for ingested and never come back.

    Raises:
        ChurnError: the table was deleted, or restored from an old copy.
    """
    journal = opened.open(journal_url(lake_url))
    recorded = 0 if journal is None else journal.fence(f"journal:{stream}")
    # Opened after the journal: another ingester commits to the table first.
    table = opened.open(f"{lake_url}/{stream}") if recorded else None
    held = 0 if table is None else table.fence(FENCE)
    if held < recorded:
        raise ChurnError(
            f"{lake_url}/{stream}: holds {held} of the {recorded} ingestions that the journal knows; restore the "
            f"newest copy, or delete {journal_url(lake_url)}: it is made again from the tables, and what is missing "
            "is ingested again from the landing zone"
        )


def read_stream(lake_url: str, stream: str, opened: Opened | None = None) -> StreamJournal:
    """Return what the journal holds of a stream; an empty one when there is no journal yet, or nothing of it in it."""
    journal = (opened or Opened()).open(journal_url(lake_url))
    if journal is None or not journal.fence(f"journal:{stream}"):
        return StreamJournal(0, {}, None, None, None, frozenset())
    wanted = ["source_file", "etag", "status", "closed_until", "newest_time", "landing_hour", "differences"]
    rows = journal.scan(["stream", "ingest_seq", *wanted]).filter(pl.col("stream") == stream).collect()
    objects = rows.sort("ingest_seq").filter(pl.col("source_file").is_not_null() & (pl.col("status") != "replayed"))
    differences = {item for text in rows["differences"].unique().drop_nulls() for item in json.loads(text)}
    sequence = rows["ingest_seq"].max()
    return StreamJournal(
        sequence=sequence if isinstance(sequence, int) else 0,
        known=dict(objects.select("source_file", "etag").iter_rows()),
        closed_until=_moment(rows["closed_until"].max()),
        newest_time=_moment(rows["newest_time"].max()),
        last_object_hour=_moment(objects["landing_hour"].max()),
        differences=frozenset(differences),
    )


def entries(lake_url: str) -> pl.DataFrame:
    """Return the journal as it will be once it has followed every table: a run may be at work, or have been killed."""
    journal = open_table(journal_url(lake_url))
    rows = [SCHEMA.to_frame() if journal is None else journal.scan(SCHEMA.names()).collect()]
    for stream in STREAMS:
        recorded = 0 if journal is None else journal.fence(f"journal:{stream}")
        # Opened after the journal, which never is ahead of the table.
        table = open_table(f"{lake_url}/{stream}")
        if table is not None:
            rows += [_rows(stream, commit) for commit in table.metadata_since(FENCE, recorded)]
    return pl.concat(rows)


def totals(lake_url: str) -> pl.DataFrame:
    """Return rows per stream since the lake began: stream, objects, read, appended, duplicate, quarantined.

    A row that left the quarantine counts where it went, so that read = appended + duplicate + quarantined.
    """
    return counted(entries(lake_url))


def counted(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the totals of these entries of the journal, as `totals` does of all."""
    # A replay reads again what was in quarantine before it; an object that could not be opened then held 0 rows.
    before = pl.col("quarantined").shift(1, fill_value=0).over("stream", "object_id")
    return (
        rows.filter(pl.col("object_id").is_not_null() & (pl.col("status") != "unchanged"))
        .sort("ingest_seq")
        .with_columns(pl.col("read", "quarantined") - before)
        .group_by("stream")
        .agg(pl.col("source_file").n_unique().alias("objects"), pl.col(*Counts.model_fields).sum())
        .sort("stream")
    )


def _rows(stream: str, commit: Mapping[str, object]) -> pl.DataFrame:
    shared = {
        "stream": stream,
        "ingest_seq": commit["sequence"],
        "commit_id": commit["commit_id"],
        "run_id": commit["run_id"],
        "committed_at": commit["committed_at"],
        "closed_until": commit["closed_until"],
        "newest_time": commit["newest_time"],
        "differences": json.dumps(commit["differences"]),
    }
    objects = commit["objects"]
    assert isinstance(objects, list)
    rows = [shared | _flat(item) for item in objects] or [shared]
    times = [name for name, dtype in SCHEMA.items() if dtype == TIMESTAMP]
    text = pl.Schema({name: pl.String() if name in times else dtype for name, dtype in SCHEMA.items()})
    return pl.DataFrame(rows, schema=text).with_columns(
        pl.col(name).str.to_datetime(time_unit="us", time_zone="UTC") for name in times
    )


def _flat(item: Mapping[str, object]) -> dict[str, object]:
    counts = item["counts"]
    assert isinstance(counts, dict)
    plain = {name: value for name, value in item.items() if name in SCHEMA}
    return plain | counts | {"repairs": json.dumps(item["repairs"]), "reasons": json.dumps(item["reasons"])}


def _moment(value: object) -> datetime | None:
    return value if isinstance(value, datetime) else None
