"""Everything a verdict rests on, measured at one time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import polars as pl

from churn.bundle.bundle import Bundle
from churn.bundle.checked import REFERENCE
from churn.drift.persistence import Drift, drifts
from churn.drift.reference import SCORE, Reference, reference_of
from churn.drift.window import WindowDrift, measure_window
from churn.errors import ChurnError
from churn.evaluation.metrics import Floats
from churn.features.tables import ACTIVITY
from churn.frozen import Frozen
from churn.lake.files import local_or_url
from churn.lake.table import open_table
from churn.monitoring.health import Answers, DataHealth, Traffic, data_health, traffic_of
from churn.monitoring.predictions import FEATURES, Predictions, decoded, evenly, one_a_customer, open_predictions
from churn.monitoring.quality import Former, Quality, Records, measure_quality
from churn.monitoring.settings import MonitoringSettings
from churn.monitoring.windows import Window, windows_of


class MeasuredWindow(Frozen):
    """A complete window."""

    start: datetime
    end: datetime
    traffic: Traffic
    drift: WindowDrift


class PartialWindow(Frozen):
    """A window that is not over, or not read yet: shown, and never judged."""

    start: datetime
    end: datetime
    traffic: Traffic


class Known(NamedTuple):
    """What was measured of a version before: its complete windows, and its newest outcomes."""

    windows: Sequence[MeasuredWindow] = ()
    quality: Quality | None = None


class Measurement(Frozen):
    """The live version at one time.

    Attributes:
        version: in production.
        deployment: its place, as namespace/name.
        live_since: when it went to production.
        windows: the last complete ones, oldest first.
        partial: what came after them.
        drifts: every column over the windows.
        importance: of the features, as shares of the model's; all alike where it leans on none.
        data: the data behind it.
        quality: predictions beside outcomes; none while no outcomes are known.
        former: the version that a rollback would bring back.
        former_inputs: its features; none where its bundle cannot be opened.
        doubts: what could not be measured, in words.
    """

    at: datetime
    version: str
    bundle_digest: str
    deployment: str
    live_since: datetime
    windows: tuple[MeasuredWindow, ...]
    partial: PartialWindow | None
    drifts: tuple[Drift, ...]
    importance: dict[str, float]
    data: DataHealth
    quality: Quality | None
    former: str | None
    former_inputs: tuple[str, ...]
    doubts: tuple[str, ...]


@dataclass(frozen=True)
class Live:
    """The live version, and who knows more about it.

    Attributes:
        name: of the deployment, as its servers log it.
        place: of the deployment, as namespace/name.
        since: when the version went to production.
        held_out: its scores of customers it has not learned from; none where they cannot be read any more.
        former: what a rollback would bring back.
        answers: asks the gateway for a window; none where it cannot tell.
    """

    version: str
    bundle: Bundle
    name: str
    place: str
    since: datetime
    held_out: Floats | None
    former: Former | None
    answers: Callable[[Window], Answers | None]


def references_of(live: Live) -> tuple[Reference, ...]:
    """Prepare what windows are compared with."""
    manifest = live.bundle.manifest
    frame = pl.read_parquet(live.bundle.path / REFERENCE)
    scores = frame[manifest.output].cast(pl.Float64).to_numpy() if live.held_out is None else live.held_out
    return reference_of(frame, manifest.catalogue, scores, cutoffs=len(manifest.lineage.cutoffs.train))


def predictions_of(live: Live, lake_url: str, known_at: datetime) -> Predictions:
    """Return what the live bundle predicted."""
    return Predictions(open_predictions(lake_url), live.name, live.bundle.digest, known_at)


def compared(
    predictions: Predictions, customers: pl.DataFrame, window: Window, bundle: Bundle, most: int
) -> pl.DataFrame:
    """Return customers of a window with their features as columns; of very many, some.

    Raises:
        UnfitPredictions: logged features are not what the bundle takes.
    """
    some = predictions.with_features(evenly(customers, most), window)
    inputs = decoded(some[FEATURES], bundle.manifest.catalogue)
    return pl.concat([some.drop(FEATURES), inputs.drop(SCORE, strict=False)], how="horizontal")


def records_of(live: Live, lake_url: str, at: datetime) -> Records | None:
    """Return predictions and outcomes of a lake; None where there is no activity, and so no outcome."""
    lake_url = local_or_url(lake_url)
    activity = open_table(f"{lake_url}/{ACTIVITY}")
    if activity is None:
        return None
    return Records(predictions_of(live, lake_url, at), activity, open_table(f"{lake_url}/subscriptions"))


def measure(live: Live, known: Known, *, lake_url: str, at: datetime, settings: MonitoringSettings) -> Measurement:
    """Measure what is new, and take up what was measured before.

    Args:
        live: the version.
        known: what was measured before.
        lake_url: the lake.
        at: the time; what became available later does not count.
        settings: lengths, limits and thresholds.
    """
    lake_url = local_or_url(lake_url)
    data = data_health(lake_url, open_table(f"{lake_url}/{ACTIVITY}"), at)
    cut = windows_of(live.since, data.closed_until, at, settings)
    references = references_of(live)
    before = {(window.start, window.end): window for window in known.windows}
    predictions = predictions_of(live, lake_url, at)
    windows = tuple(
        before.get(window) or _measured(live, references, predictions, window, settings) for window in cut.complete
    )
    partial = None
    if cut.partial is not None:
        rows = predictions.rows(cut.partial)
        traffic = traffic_of(rows, one_a_customer(rows), None)
        partial = PartialWindow(start=cut.partial.start, end=cut.partial.end, traffic=traffic)
    records = records_of(live, lake_url, at)
    quality = records and measure_quality(
        live.bundle, live.former, records, live.since, settings.quality, known.quality
    )
    return Measurement(
        at=at,
        version=live.version,
        bundle_digest=live.bundle.digest,
        deployment=live.place,
        live_since=live.since,
        windows=windows,
        partial=partial,
        drifts=drifts(references, [window.drift for window in windows], settings.drift),
        importance=_importance(live.bundle),
        data=data,
        quality=quality,
        former=live.former.version if live.former else None,
        former_inputs=_inputs(live.former),
        doubts=() if live.held_out is not None else ("scores are held against those of training rows",),
    )


def _measured(
    live: Live,
    references: tuple[Reference, ...],
    predictions: Predictions,
    window: Window,
    settings: MonitoringSettings,
) -> MeasuredWindow:
    rows = predictions.rows(window)
    customers = one_a_customer(rows)
    inputs = compared(predictions, customers, window, live.bundle, settings.drift.max_rows)
    return MeasuredWindow(
        start=window.start,
        end=window.end,
        traffic=traffic_of(rows, customers, live.answers(window)),
        drift=measure_window(references, inputs, window.start, window.end, settings.drift),
    )


def _importance(bundle: Bundle) -> dict[str, float]:
    losses = {one.feature: max(one.auc_loss, 0.0) for one in bundle.manifest.importance}
    losses = {name: losses.get(name, 0.0) for name in (feature.name for feature in bundle.manifest.catalogue)}
    total = sum(losses.values())
    return {name: loss / total if total else 1 / len(losses) for name, loss in losses.items()}


def _inputs(former: Former | None) -> tuple[str, ...]:
    try:
        return () if former is None else tuple(feature.name for feature in former.load().manifest.catalogue)
    except ChurnError:
        return ()
