"""Reads off a snapshot what a build has to do, and what an earlier build has done of it already."""

from collections.abc import Collection
from datetime import date, datetime, timedelta
from pathlib import Path

import polars as pl

from churn.errors import ChurnError
from churn.features.catalogue import load_catalogue
from churn.features.content import project_digest
from churn.features.cutoffs import plan_cutoffs
from churn.features.feature_set import FeatureSet, Recipe
from churn.features.settings import FeatureSettings
from churn.features.tables import ACTIVITY, RECORDS, SEQUENCE
from churn.lake.reading import scan_files
from churn.lake.snapshot import DataSnapshot
from churn.lake.table import Pinned

_TIMES = ("event_time", "available_at", SEQUENCE)


def read_recipe(
    snapshot: DataSnapshot, activity: Pinned, settings: FeatureSettings, dbt_dir: Path, now: datetime
) -> Recipe:
    """Plan the build of a snapshot.

    Raises:
        ChurnError: there is nothing to build from, too little of it, or it claims to come from the future.
    """
    if not activity.rows:
        raise ChurnError(f"{activity.uri}: version {activity.version} holds no rows; ingest activity first")
    ends = activity.scan(["available_at", "event_time"]).select(
        pl.col("available_at").max(), pl.col("event_time").min(), unknown=pl.col("available_at").null_count()
    )
    watermark, first, unknown = ends.collect().row(0)
    where = f"{activity.uri}: version {activity.version}"
    if unknown:
        raise ChurnError(f"{where} has {unknown} rows without available_at, so nobody can tell when they were known")
    if first is None:
        raise ChurnError(f"{where} has no event_time in any row; ingest it again with the activity contract")
    if watermark > now:
        raise ChurnError(
            f"{where} has rows available at {watermark:%Y-%m-%dT%H:%MZ}, after now ({now:%Y-%m-%dT%H:%MZ}): a cutoff "
            "would lie in the future; look at the clock, or at who ingested hours that had not come"
        )
    return Recipe(
        snapshot=used_of(snapshot),
        settings=settings,
        code=project_digest(dbt_dir),
        cutoffs=plan_cutoffs(first.date(), watermark, settings),
        watermark=watermark,
        through=_newest_sequence(activity),
        columns=tuple(feature.name for feature in load_catalogue(dbt_dir)),
    )


def used_of(snapshot: DataSnapshot) -> DataSnapshot:
    """Return the tables that features are made from; what else the lake holds, such as quarantine, changes nothing."""
    return DataSnapshot(tables={name: table for name, table in snapshot.tables.items() if name in (ACTIVITY, *RECORDS)})


def still_valid(earlier: FeatureSet | None, recipe: Recipe, activity: Pinned) -> frozenset[date]:
    """Return the cutoffs whose rows an earlier build has and new data cannot change.

    That is so when no event since lies before the cutoff and was available at it, and none inside its label window.
    """
    if earlier is None or not _comparable(earlier.recipe, recipe):
        return frozenset()
    since = earlier.recipe.through
    files = activity.active.join(activity.sequences, on="path")
    recent = files.filter((pl.col("last") > since).fill_null(True))
    new = (
        scan_files(activity.uri, recent, activity.schema, activity.partition_by, _TIMES)
        .filter(pl.col(SEQUENCE) > since)
        .collect()
    )
    if earlier.recipe.snapshot.tables[ACTIVITY].rows + new.height != activity.rows:
        return frozenset()
    horizon = timedelta(days=recipe.settings.horizon_days)
    return frozenset(
        day
        for day in recipe.cutoffs.all
        if str(day) in earlier.digests
        and _labelled(earlier.recipe, day) == _labelled(recipe, day)
        and not _touched(new, day, horizon if _labelled(recipe, day) else timedelta())
    )


def variables(recipe: Recipe, cutoffs: Collection[date]) -> dict[str, object]:
    """Return the dbt variables that follow from the recipe, for some of its cutoffs."""
    settings = recipe.settings
    return {
        "cutoffs": [{"day": str(day), "labelled": _labelled(recipe, day)} for day in cutoffs],
        "horizon_days": settings.horizon_days,
        "active_days": settings.active_days,
        "event_types": settings.event_types.model_dump(mode="json"),
        "cancellation_events": settings.cancellation_events,
        "cancelled_statuses": settings.cancelled_statuses,
        "through": recipe.through,
    }


def _comparable(earlier: Recipe, recipe: Recipe) -> bool:
    def rest(of: Recipe) -> object:
        records = {name: table.digest for name, table in of.snapshot.tables.items() if name != ACTIVITY}
        return records, of.settings.digest, of.code, of.snapshot.tables[ACTIVITY].uri

    return rest(earlier) == rest(recipe) and earlier.through <= recipe.through


def _labelled(recipe: Recipe, day: date) -> bool:
    return day in recipe.cutoffs.labelled


def _touched(new: pl.DataFrame, day: date, horizon: timedelta) -> bool:
    midnight = pl.lit(day).cast(pl.Datetime("us", "UTC"))
    happened, available = pl.col("event_time"), pl.col("available_at")
    before = (happened < midnight) & (available <= midnight)
    inside = (happened >= midnight) & (happened < midnight + horizon)
    return bool(new.select((before | inside).any()).item())


def _newest_sequence(activity: Pinned) -> int:
    newest = activity.sequences["last"].max()
    if activity.sequences["last"].has_nulls() or not isinstance(newest, int):
        newest = activity.scan([SEQUENCE]).max().collect().item()
    return int(newest or 0)
