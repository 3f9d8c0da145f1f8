"""The feature table in the lake: one commit per build, which replaces what changed and says what it was made from."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
from pydantic import ValidationError

from churn.features.catalogue import TABLE, load_catalogue
from churn.features.content import frame_digest, joint_digest
from churn.features.feature_set import FeatureSet, Recipe
from churn.features.tables import CUSTOMER, CUTOFF, LABEL
from churn.features.views import text
from churn.lake.create import create_table
from churn.lake.snapshot import TableVersion, digest_of
from churn.lake.table import Pinned
from churn.log import get_logger

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

log = get_logger(__name__)

FENCE = "features"
_NOTE = "build"


def open_features(lake_url: str, dbt_dir: Path) -> Pinned:
    """Open the feature table, creating it or adding columns for features that are new."""
    features = {feature.name: feature.dtype for feature in load_catalogue(dbt_dir)}
    schema = pl.Schema({CUSTOMER: pl.String(), CUTOFF: pl.Date(), **features, LABEL: pl.Boolean()})
    return create_table(f"{lake_url}/{TABLE}", schema, name=TABLE, partition_by=CUTOFF)


def newest_build(table: Pinned) -> FeatureSet | None:
    """Return what the newest commit says of itself; none when there is none, or an older program wrote it."""
    sequence = table.fence(FENCE)
    if not sequence:
        return None
    note = table.metadata_since(FENCE, sequence - 1)[0][_NOTE]
    try:
        return FeatureSet.model_validate({**_facts(note), "features": _version(table)})
    except ValidationError:
        return None


def export(database: "DuckDBPyConnection", recipe: Recipe, day: date, folder: Path) -> Path:
    """Write the rows of one cutoff to a file, in the order of their customers."""
    file = folder / f"{TABLE}-{day}.parquet"
    columns = ", ".join((CUSTOMER, *recipe.columns, LABEL))
    rows = f"select {columns} from {TABLE} where {CUTOFF} = date '{day}' order by {CUSTOMER}"
    # A dictionary would hold one zero for 0.0 and -0.0, whichever came first.
    options = "format parquet, compression zstd, compression_level 1, dictionary_size_limit 1"
    database.execute(f"copy ({rows}) to {text(str(file))} ({options})")
    return file


def publish(table: Pinned, earlier: FeatureSet | None, recipe: Recipe, files: Mapping[date, Path]) -> FeatureSet:
    """Commit a build: `files` holds the cutoffs that were built, the others are in the table as `earlier` says.

    Raises:
        CommitConflict: another build came first; nothing was written.
    """
    before = earlier.digests if earlier else {}
    digests, rows, changed = {}, {}, []
    for day in recipe.cutoffs.all:
        name = str(day)
        if day in files:
            frame = pl.read_parquet(files[day], glob=False)
            digests[name], rows[name] = frame_digest(frame), frame.height
            if before.get(name) != digests[name]:
                changed.append((_fitted(files[day], table), day))
        elif earlier is not None:
            digests[name], rows[name] = before[name], earlier.rows[name]
    untouched = [date.fromisoformat(name) for name in digests if before.get(name) == digests[name]]
    facts = {
        "recipe": recipe.model_dump(mode="json"),
        "rows": rows,
        "digests": digests,
        "digest": joint_digest(digests),
    }
    table = table.replace_files(
        changed,
        table.active.filter(~pl.col("date").is_in(untouched)),
        fence=FENCE,
        metadata={_NOTE: facts, "snapshot": recipe.snapshot.digest, "settings": recipe.settings.digest},
    )
    log.info("features_built", version=table.version, rows=sum(rows.values()), changed=len(changed))
    return FeatureSet.model_validate({**facts, "features": _version(table)})


def _fitted(file: Path, table: Pinned) -> Path:
    """Add columns that only earlier versions of the project had, as nulls."""
    present = pl.scan_parquet(file, glob=False).collect_schema()
    gone = {name: dtype for name, dtype in table.schema.items() if name not in present and name != CUTOFF}
    if gone:
        nulls = [pl.lit(None, dtype).alias(name) for name, dtype in gone.items()]
        pl.read_parquet(file, glob=False).with_columns(nulls).write_parquet(file, compression="zstd")
    return file


def _version(table: Pinned) -> TableVersion:
    return TableVersion(uri=table.uri, version=table.version, rows=table.rows, digest=digest_of(table))


def _facts(note: object) -> dict[str, object]:
    return dict(note) if isinstance(note, dict) else {}
