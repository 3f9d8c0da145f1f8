"""Whether the live model was right, as far as outcomes are known: against its promotion and the version before."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from churn.bundle.bundle import Bundle
from churn.bundle.errors import UnfitInput
from churn.errors import ChurnError
from churn.evaluation.bootstrap import bootstrap
from churn.evaluation.metrics import Scored
from churn.evaluation.report import COMPARED, Estimates
from churn.features.outcomes import AT, matured_until, outcomes
from churn.features.tables import CUSTOMER, LABEL
from churn.frozen import Frozen
from churn.lake.table import Pinned
from churn.monitoring.predictions import FEATURES, Predictions, decoded, evenly, one_a_customer
from churn.monitoring.settings import QualitySettings
from churn.monitoring.windows import Window


class Quality(Frozen):
    """Predictions of some days beside what came.

    Attributes:
        since: begin of the days.
        until: their end: the newest moment whose outcome is known.
        rows: customers; each counts with the first prediction.
        churned: how many of them left.
        metrics: on them; none where there are too few.
        promoted: the same metrics on the test rows when the version was promoted.
        previous: the version before, where it was held against this one.
        over_previous: live minus previous on the same customers; none where they cannot be compared.
        left_out: why something is missing, if it is.
    """

    since: datetime
    until: datetime
    rows: int
    churned: int
    metrics: Estimates | None
    promoted: Estimates
    previous: str | None
    over_previous: Estimates | None
    left_out: str | None


@dataclass(frozen=True)
class Former:
    """The version that a rollback would bring back."""

    version: str
    load: Callable[[], Bundle]


@dataclass(frozen=True)
class Records:
    """Where predictions and outcomes are read from, as far as they were known at a moment.

    Attributes:
        predictions: what was asked and answered.
        activity: what customers did.
        subscriptions: what became of their subscriptions, if there are any.
    """

    predictions: Predictions
    activity: Pinned
    subscriptions: Pinned | None

    @property
    def known_at(self) -> datetime:
        """What became available later does not count."""
        return self.predictions.known_at

    def labelled(self, bundle: Bundle, window: Window, most: int) -> pl.DataFrame:
        """Return the first prediction of each customer in a window whose outcomes are known, with `churned`."""
        rows = self.predictions.rows(window).filter(pl.col(CUSTOMER).is_not_null())
        asked = evenly(one_a_customer(rows), most).rename({"event_time": AT})
        settings = bundle.manifest.lineage.feature_settings
        return outcomes(asked, self.activity, self.subscriptions, settings, known_at=self.known_at)

    def watermark(self) -> datetime | None:
        """Return when the newest activity became available."""
        known = self.activity.scan(["available_at"]).filter(pl.col("available_at") <= self.known_at)
        newest = known.select(pl.col("available_at").max()).collect().item()
        return newest if isinstance(newest, datetime) else None


def measure_quality(
    bundle: Bundle,
    former: Former | None,
    records: Records,
    live_since: datetime,
    settings: QualitySettings,
    known: Quality | None = None,
) -> Quality | None:
    """Judge the newest predictions whose outcomes are known; None while there are none of a whole span of days.

    Args:
        bundle: of the live version.
        former: what would stand there instead.
        records: predictions and outcomes.
        live_since: when the version went to production.
        settings: how many days and rows, and the resamples.
        known: what was found before; outcomes are judged in whole UTC days, so it holds until the next one.
    """
    watermark = records.watermark()
    if watermark is None:
        return None
    until = matured_until(watermark, bundle.manifest.lineage.feature_settings)
    until = until.replace(hour=0, minute=0, second=0, microsecond=0)
    since = until - timedelta(days=settings.days)
    if since < live_since:
        return None
    if known is not None and (known.since, known.until) == (since, until):
        return known
    window = Window(since, until)
    labelled = records.labelled(bundle, window, settings.max_rows)
    churned = labelled[LABEL].cast(pl.Boolean).to_numpy()
    found = Quality(
        since=since,
        until=until,
        rows=len(churned),
        churned=int(churned.sum()),
        metrics=None,
        promoted=bundle.manifest.metrics,
        previous=None,
        over_previous=None,
        left_out=None,
    )
    if len(churned) < settings.min_rows or min(found.churned, len(churned) - found.churned) < settings.min_class_rows:
        return found.model_copy(update={"left_out": f"{found.churned} of {len(churned)} known customers left: too few"})
    models = [Scored(churned, labelled["score"].to_numpy().astype(np.float64), bundle.manifest.threshold)]
    left_out = None
    if former is not None:
        try:
            given = records.predictions.with_features(labelled, window)[FEATURES]
            models.append(_former(former.load(), given, churned))
        except ChurnError as error:
            left_out = f"version {former.version} cannot be held against it: {error}"
    costs = bundle.manifest.settings.costs
    mine, *others = bootstrap(models, labelled[CUSTOMER], costs, settings.rounds, settings.seed)
    over = mine.minus(others[0], COMPARED, settings.confidence) if others else None
    return found.model_copy(
        update={
            "metrics": mine.estimates(settings.confidence),
            "previous": former.version if former and over else None,
            "over_previous": over,
            "left_out": left_out,
        }
    )


def _former(bundle: Bundle, features: pl.Series, churned: np.ndarray) -> Scored:
    """Score the same customers with the version before.

    Raises:
        UnfitInput: it takes features that were never given to the live one.
    """
    inputs = decoded(features, bundle.manifest.catalogue)
    absent = [feature.name for feature in bundle.manifest.catalogue if inputs[feature.name].null_count() == len(inputs)]
    needed = [name for name in absent if _was_known(bundle, name)]
    if needed:
        raise UnfitInput(f"it takes {', '.join(needed)}, which nobody gave")
    return Scored(churned, bundle.predict(inputs), bundle.manifest.threshold)


def _was_known(bundle: Bundle, name: str) -> bool:
    return any(row.inputs.get(name) is not None for row in bundle.manifest.golden)
