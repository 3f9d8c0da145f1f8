"""The label of customers who were looked at at any moment: the rule of `dbt/models/intermediate/labels.sql`.

dbt labels cutoffs, which are midnights, in days; a prediction is asked for at any time. At a midnight both say the
same, which a test checks on a built feature table.
"""

from datetime import datetime, timedelta

import polars as pl

from churn.features.settings import FeatureSettings
from churn.features.tables import CUSTOMER, LABEL
from churn.lake.table import Pinned

AT = "at"


def matured_until(watermark: datetime, settings: FeatureSettings) -> datetime:
    """Return the last moment whose label is believed to be complete when data is known until `watermark`."""
    return watermark - timedelta(days=settings.horizon_days + settings.allowed_lateness_days)


def outcomes(
    asked: pl.DataFrame,
    activity: Pinned,
    subscriptions: Pinned | None,
    settings: FeatureSettings,
    *,
    known_at: datetime,
) -> pl.DataFrame:
    """Say who left: no activity within the horizon from then on, or a cancellation in it.

    Args:
        asked: `customer_id` and `at`; every moment must have matured.
        activity: the events.
        subscriptions: the records of subscriptions, if there are any.
        settings: horizon, and what counts as a cancellation.
        known_at: what became available later does not count.

    Returns:
        The rows with `churned`, in their order.
    """
    if asked.is_empty():
        return asked.with_columns(pl.lit(None, pl.Boolean).alias(LABEL))
    rows = asked.with_row_index("row")
    horizon = timedelta(days=settings.horizon_days)
    events = _within(rows, activity, "event_time", "event_type", horizon, known_at)
    cancelled = [events.filter(pl.col("event_type").is_in(settings.cancellation_events))]
    if subscriptions is not None:
        records = _within(rows, subscriptions, "valid_from", "status", horizon, known_at)
        cancelled.append(records.filter(pl.col("status").is_in(settings.cancelled_statuses)))
    stayed = pl.col("row").is_in(events["row"].unique().implode())
    left = pl.col("row").is_in(pl.concat([found.select("row") for found in cancelled])["row"].unique().implode())
    return rows.with_columns((~stayed | left).alias(LABEL)).drop("row")


def _within(
    rows: pl.DataFrame, table: Pinned, time: str, code: str, horizon: timedelta, known_at: datetime
) -> pl.DataFrame:
    """Return what customers did in the horizons of their rows: `row` and the code."""
    first, last = rows[AT].min(), rows[AT].max()
    assert isinstance(first, datetime)
    assert isinstance(last, datetime)
    happened = (
        table.scan([CUSTOMER, time, code, "available_at"])
        .filter(
            pl.col(time).is_between(first, last + horizon, closed="left"),
            pl.col("available_at") <= known_at,
        )
        .select(CUSTOMER, time, code)
    )
    joined = rows.lazy().select("row", CUSTOMER, AT).join(happened, on=CUSTOMER)
    inside = (pl.col(time) >= pl.col(AT)) & (pl.col(time) < pl.col(AT) + horizon)
    return joined.filter(inside).select("row", code).unique().collect()
