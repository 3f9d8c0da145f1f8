"""From a pinned snapshot to a version of the feature table."""

import shutil
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import date, datetime
from pathlib import Path

import polars as pl

from churn.errors import CommitConflict
from churn.features.catalogue import TABLE
from churn.features.dbt import Dbt, FeatureBuildFailed
from churn.features.feature_set import FeatureSet, Recipe
from churn.features.publish import newest_build, open_features, publish, rows_of
from churn.features.recipe import read_recipe, still_valid, variables
from churn.features.rollups import stored_rollup
from churn.features.settings import FeatureSettings
from churn.features.tables import ACTIVITY, DAYS, EVENTS, RECORDS, ROLLUPS, SEQUENCE, VALUES
from churn.features.views import create_view, local_files
from churn.lake.files import local_or_url
from churn.lake.reading import full_paths
from churn.lake.snapshot import DataSnapshot
from churn.lake.table import Pinned
from churn.log import get_logger

log = get_logger(__name__)

_ATTEMPTS = 5


def build_features(
    snapshot: DataSnapshot,
    settings: FeatureSettings,
    *,
    lake_url: str,
    dbt_dir: Path,
    work_dir: Path,
    clock: Callable[[], datetime],
) -> FeatureSet:
    """Make the feature table of a snapshot and commit it, in one commit that says what it was made from.

    What the lake keeps of earlier builds is used and never needed: an empty lake gives the same digest. A build of
    what the newest version was made of commits nothing.

    Args:
        snapshot: the tables to read, `activity` among them.
        settings: cutoffs, population and label.
        lake_url: where the rollups and the feature table are kept.
        dbt_dir: the dbt project.
        work_dir: folder for temporary files, up to thrice the size of the rollups; each build makes its own below.
        clock: the time now, in UTC.

    Raises:
        SnapshotError: a table is missing, was vacuumed or was altered.
        ChurnError: the data does not allow a build; the message says why.
        FeatureBuildFailed: a data test failed; nothing was written.
    """
    lake_url = local_or_url(lake_url)
    activity = snapshot.open(ACTIVITY)
    records = {name: snapshot.open(name) for name in RECORDS if name in snapshot.tables}
    recipe = read_recipe(snapshot, activity, settings, dbt_dir, clock())
    for _ in range(_ATTEMPTS):
        table = open_features(lake_url, dbt_dir)
        earlier = newest_build(table)
        if earlier is not None and earlier.recipe.key == recipe.key and earlier.cutoffs == recipe.cutoffs:
            # Equal rows may have been read elsewhere: a lake that was moved names its new place.
            here = earlier.recipe.model_copy(update={"snapshot": recipe.snapshot})
            return earlier.model_copy(update={"recipe": here})
        kept = still_valid(earlier, recipe, activity)
        wanted = [day for day in recipe.cutoffs.all if day not in kept]
        with _folder(work_dir) as folder, suppress(CommitConflict):
            run = Dbt(dbt_dir.resolve(), folder, settings)
            # Without a cutoff to build dbt does not start: the next build that has one finds what the rollups lack.
            built = _run(run, recipe, activity, records, wanted, lake_url) if wanted else {}
            return publish(table, earlier, recipe, built, folder)
        log.info("features_published_by_another", version=table.version)
    raise CommitConflict(f"{lake_url}/{TABLE}: {_ATTEMPTS} builds lost to other builders; build again")


@contextmanager
def _folder(work_dir: Path) -> Iterator[Path]:
    """Make a folder of its own for a build; only what dbt failed on stays, because the error points there."""
    work_dir.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="features-", dir=work_dir))
    pointed_at = False
    try:
        yield folder
    except FeatureBuildFailed:
        pointed_at = True
        raise
    finally:
        if not pointed_at:
            shutil.rmtree(folder, ignore_errors=True)


def _run(
    run: Dbt,
    recipe: Recipe,
    activity: Pinned,
    records: Mapping[str, Pinned],
    wanted: Collection[date],
    lake_url: str,
) -> dict[date, pl.LazyFrame]:
    """Run the models, store what they add to the rollups, and return the rows of each cutoff wanted."""
    import duckdb

    stored = {name: stored_rollup(lake_url, name, recipe.through) for name in ROLLUPS}
    since = min(rollup.reach for rollup in stored.values())
    with duckdb.connect(str(run.database)) as database:
        recent = activity.active.join(activity.sequences, on="path").filter((pl.col("last") > since).fill_null(True))
        files = local_files(full_paths(activity.uri, recent), run.work_dir / ACTIVITY)
        create_view(database, ACTIVITY, EVENTS, files, f"{SEQUENCE} > {since}")
        for name, columns in RECORDS.items():
            files = records[name].files() if name in records else []
            create_view(database, name, columns, local_files(files, run.work_dir / name))
        for name, rollup in stored.items():
            files = local_files(rollup.files, run.work_dir / f"stored_{name}")
            create_view(database, name, ROLLUPS[name], files, f"{SEQUENCE} <= {recipe.through}")
    run.run(
        ["build", "--exclude-resource-types", "unit_test"],
        {
            **variables(recipe, wanted),
            "days_after": stored[DAYS].reach,
            "values_after": stored[VALUES].reach,
            "expected_events": activity.rows,
        },
    )
    for name, rollup in stored.items():
        rollup.append(run.file(name), recipe.through)
    return {day: rows_of(run.file(TABLE), recipe, day) for day in wanted}
