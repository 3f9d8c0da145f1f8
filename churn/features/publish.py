"""The feature table in the lake: one commit per build, which replaces what changed and says what it was made from."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path

import polars as pl
from pydantic import ValidationError

from churn.features.catalogue import TABLE, load_catalogue
from churn.features.content import frame_digest, joint_digest
from churn.features.feature_set import FeatureSet, Recipe
from churn.features.tables import CUSTOMER, CUTOFF, LABEL
from churn.lake.create import create_table
from churn.lake.snapshot import TableVersion, digest_of
from churn.lake.table import Pinned
from churn.log import get_logger

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


def rows_of(file: Path, recipe: Recipe, day: date) -> pl.LazyFrame:
    """Select the rows of one cutoff from the file of all that were built, in the order of their customers."""
    rows = pl.scan_parquet(file, glob=False).filter(pl.col(CUTOFF) == day)
    return rows.select(CUSTOMER, *recipe.columns, LABEL).sort(CUSTOMER)


def publish(
    table: Pinned, earlier: FeatureSet | None, recipe: Recipe, built: Mapping[date, pl.LazyFrame], folder: Path
) -> FeatureSet:
    """Commit a build.

    Args:
        table: the feature table.
        earlier: its newest build, which says what the cutoffs hold that were not built.
        recipe: what the build was made from.
        built: rows of the cutoffs that were built; one of them is in memory at a time.
        folder: where the files of the commit are made.

    Raises:
        CommitConflict: another build came first; nothing was written.
    """
    before = earlier.digests if earlier else {}
    digests, rows, changed = {}, {}, []
    for day in recipe.cutoffs.all:
        name = str(day)
        if day in built:
            frame = built[day].collect()
            digests[name], rows[name] = frame_digest(frame), frame.height
            if before.get(name) != digests[name]:
                file = folder / f"{TABLE}-{day}.parquet"
                _fitted(frame, table).write_parquet(file, compression="zstd", compression_level=1)
                changed.append((file, day))
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


def _fitted(frame: pl.DataFrame, table: Pinned) -> pl.DataFrame:
    """Add columns that only earlier versions of the project had, as nulls."""
    gone = {name: dtype for name, dtype in table.schema.items() if name not in frame.columns and name != CUTOFF}
    return frame.with_columns(pl.lit(None, dtype).alias(name) for name, dtype in gone.items())


def _version(table: Pinned) -> TableVersion:
    return TableVersion(uri=table.uri, version=table.version, rows=table.rows, digest=digest_of(table))


def _facts(note: object) -> dict[str, object]:
    return dict(note) if isinstance(note, dict) else {}
