"""Whether a new model should be trained now: daily, when enough labels have matured, or when drift was recorded."""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Literal

import polars as pl

from churn.features.recipe import read_recipe
from churn.features.settings import FeatureSettings
from churn.features.tables import ACTIVITY
from churn.frozen import Frozen
from churn.lake.snapshot import take_snapshot
from churn.ledger.entry import Entry
from churn.training.settings import TriggerSettings


class Known(Frozen):
    """What is known about data and models at this moment.

    Attributes:
        trained_at: when the last training registered its versions; none if there was none.
        trained_on: version of `activity` it learned from.
        called_at: when retraining was called for last, since the last training.
        because: what called for it.
        activity: version of `activity` now.
        new_labels: customers seen between the last test cutoff and the newest mature one.
    """

    trained_at: datetime | None
    trained_on: int | None
    called_at: datetime | None
    because: str | None
    activity: int
    new_labels: int


class Need(Frozen):
    """Whether to train, and why, one reason a line."""

    decision: Literal["train", "wait"]
    reasons: tuple[str, ...]


def decide(known: Known, settings: TriggerSettings, now: datetime) -> Need:
    """Say whether to train; a training that failed has registered nothing, so the next one runs all the same."""
    if known.trained_at is None:
        return Need(decision="train", reasons=("no training has registered a model yet",))
    reasons = list(_reasons(known, now - known.trained_at, settings))
    if for_it := tuple(text for speaks, text in reasons if speaks):
        return Need(decision="train", reasons=for_it)
    against = tuple(text for _, text in reasons)
    return Need(decision="wait", reasons=against or ("the settings name no reason to train",))


def _reasons(known: Known, age: timedelta, settings: TriggerSettings) -> Iterator[tuple[bool, str]]:
    """Yield for each trigger that is on whether it speaks for a training, and what it saw."""
    if settings.every_hours is not None:
        fresh = known.activity != known.trained_on
        text = f"the last training is {_hours(age)} old, {settings.every_hours:g} h are allowed"
        old = age >= timedelta(hours=settings.every_hours)
        yield old and fresh, text if fresh else f"{text}; nothing was ingested since"
    if settings.min_new_labels is not None:
        enough = known.new_labels >= settings.min_new_labels
        yield enough, f"{known.new_labels:,} customers have a new outcome, {settings.min_new_labels:,} are enough"
    if settings.on_drift and known.called_at is None:
        yield False, "no drift was recorded since"
    elif settings.on_drift:
        yield True, f"retraining was called for at {known.called_at:%Y-%m-%d %H:%M} UTC: {known.because}"


def look(lake_url: str, entries: Sequence[Entry], settings: FeatureSettings, *, dbt_dir: Path, now: datetime) -> Known:
    """Read from lake and ledger what `decide` needs.

    Raises:
        ChurnError: there is no activity, or too little for any cutoff.
    """
    snapshot = take_snapshot(lake_url, [ACTIVITY])
    activity = snapshot.open(ACTIVITY)
    cutoffs = read_recipe(snapshot, activity, settings, dbt_dir, now).cutoffs
    trained = next((e for e in reversed(entries) if e.decision == "registered" and e.phase == "committed"), None)
    since = trained.sequence if trained else 0
    calls = [e for e in entries if e.decision == "retrain" and e.sequence > since]
    judged = date.fromisoformat(trained.facts["cutoff"]) if trained and "cutoff" in trained.facts else None
    trained_on = trained.facts.get(f"table {ACTIVITY}") if trained else None
    new_labels = 0
    if judged is not None and judged < cutoffs.test:
        seen = pl.col("event_time").is_between(_midnight(judged), _midnight(cutoffs.test), closed="left")
        new_labels = int(
            activity.scan(["customer_id", "event_time"])
            .filter(seen)
            .select(pl.col("customer_id").n_unique())
            .collect()
            .item()
        )
    return Known(
        trained_at=trained.at if trained else None,
        trained_on=int(trained_on) if trained_on else None,
        called_at=calls[-1].at if calls else None,
        because=calls[-1].facts.get("why", "see the ledger") if calls else None,
        activity=activity.version,
        new_labels=new_labels,
    )


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _hours(age: timedelta) -> str:
    hours = age / timedelta(hours=1)
    return f"{hours:.0f} h" if hours >= 1 else f"{age.total_seconds() / 60:.0f} min"
