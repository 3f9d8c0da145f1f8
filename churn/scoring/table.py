"""The table `scores`: what every customer scored on a date, by which version, from which data."""

import tempfile
from datetime import date, datetime
from pathlib import Path

import polars as pl

from churn.contracts.model import TIMESTAMP
from churn.errors import CommitConflict
from churn.features.tables import CUSTOMER
from churn.frozen import Frozen
from churn.lake.create import create_table
from churn.lake.files import local_or_url
from churn.lake.reading import scan_files
from churn.lake.table import Pinned
from churn.log import get_logger
from churn.scoring.settings import REASONS

log = get_logger(__name__)

TABLE = "scores"
DATE = "scoring_date"
FENCE = "scores"
_VERSION = "model_version"
_ATTEMPTS = 5

SCORES = pl.Schema(
    {
        CUSTOMER: pl.String(),
        DATE: pl.Date(),
        "rank": pl.Int64(),
        "score": pl.Float64(),
        "contacted": pl.Boolean(),
        "expected_profit": pl.Float64(),
        "topic": pl.String(),
        **dict.fromkeys(REASONS, pl.String()),
        _VERSION: pl.String(),
        "bundle_digest": pl.String(),
        "features_version": pl.Int64(),
        "features_digest": pl.String(),
        "rows_digest": pl.String(),
        "snapshot": pl.String(),
        "settings": pl.String(),
        "scored_at": TIMESTAMP,
    }
)


class ScoreLineage(Frozen):
    """What a set of scores follows from; equal ones, the builds that hold the rows apart, give equal scores."""

    scoring_date: date
    model_version: str
    bundle_digest: str
    features_version: int
    """Version of the feature table."""
    features_digest: str
    """Of the rows of all its cutoffs."""
    rows_digest: str
    """Of the rows of this cutoff."""
    snapshot: str
    """Digest of the lake's tables that the features were made from."""
    settings: str

    @property
    def columns(self) -> dict[str, object]:
        """The lineage columns of a row."""
        return self.model_dump(exclude={DATE})


class WrittenScores(Frozen):
    """Where the scores are; `changed` is false when they were there already."""

    uri: str
    version: int
    changed: bool
    scored_at: datetime


def ranked(scored: pl.DataFrame) -> pl.DataFrame:
    """Order customers by what contacting them brings, the first one first; equals by their tokens."""
    ordered = scored.sort("expected_profit", CUSTOMER, descending=[True, False])
    return ordered.with_columns(rank=pl.int_range(1, pl.len() + 1, dtype=pl.Int64))


def write_scores(lake_url: str, scored: pl.DataFrame, lineage: ScoreLineage, now: datetime) -> WrittenScores:
    """Put the scores of a date and version into the lake, in place of older ones of the same two.

    Scores that are there already, from the same rows, bundle and settings, stay as they are, and nothing is committed.

    Args:
        lake_url: the lake.
        scored: the columns of `SCORES` without those of the lineage.
        lineage: what they follow from.
        now: UTC.

    Raises:
        CommitConflict: other writers came first, again and again; nothing was written.
    """
    rows = scored.with_columns(
        *(pl.lit(value, SCORES[name]).alias(name) for name, value in lineage.columns.items()),
        scored_at=pl.lit(now, TIMESTAMP),
    )
    columns = [name for name in SCORES if name != DATE]
    for _ in range(_ATTEMPTS):
        table = create_table(f"{local_or_url(lake_url)}/{TABLE}", SCORES, name=TABLE, partition_by=DATE)
        earlier = table.active.filter(date=lineage.scoring_date)
        mine = _files_with(table, earlier, lineage.model_version)
        held = scan_files(table.uri, mine, table.schema, DATE, columns).collect()
        present = held.filter(pl.col(_VERSION) == lineage.model_version)
        if (at := _same(present, rows)) is not None:
            return WrittenScores(uri=table.uri, version=table.version, changed=False, scored_at=at)
        others = held.filter(pl.col(_VERSION) != lineage.model_version)
        try:
            with tempfile.TemporaryDirectory(prefix="scores-") as folder:
                file = Path(folder) / "scores.parquet"
                fitted = _fitted(pl.concat([others, rows.select(columns)]), table)
                fitted.write_parquet(file, compression="zstd", compression_level=3)
                note = lineage.model_dump(mode="json") | {"rows": rows.height, "replaced": present.height}
                written = table.replace_files([(file, lineage.scoring_date)], mine, fence=FENCE, metadata=note)
        except CommitConflict:
            continue
        log.info("scores_written", version=written.version, rows=rows.height, replaced=present.height)
        return WrittenScores(uri=written.uri, version=written.version, changed=True, scored_at=now)
    raise CommitConflict(f"{lake_url}/{TABLE}: {_ATTEMPTS} attempts lost to other writers; score again")


def _files_with(table: Pinned, files: pl.DataFrame, version: str) -> pl.DataFrame:
    """Return the files that hold scores of a version; a compaction may have put several versions into one."""

    def holds(path: str) -> bool:
        one = files.filter(path=path)
        rows = scan_files(table.uri, one, table.schema, DATE, [_VERSION])
        return bool(rows.select((pl.col(_VERSION) == version).any()).collect().item())

    return files.filter(pl.col("path").is_in([path for path in files["path"] if holds(path)]))


def _same(present: pl.DataFrame, rows: pl.DataFrame) -> datetime | None:
    """Return when these scores were made, if they are there."""
    if present.height != rows.height or present.is_empty():
        return None
    follows = [name for name in ("bundle_digest", "rows_digest", "settings") if name in present.columns]
    if present.select(follows).unique().rows() != rows.select(follows).unique().rows():
        return None
    at = present["scored_at"].max()
    return at if isinstance(at, datetime) else None


def _fitted(rows: pl.DataFrame, table: Pinned) -> pl.DataFrame:
    """Add columns that only other versions of the project have, as nulls."""
    gone = {name: dtype for name, dtype in table.schema.items() if name not in rows.columns and name != DATE}
    return rows.with_columns(pl.lit(None, dtype).alias(name) for name, dtype in gone.items())
