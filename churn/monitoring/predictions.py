"""The `predictions` table: rows of a window, and their features as columns."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import polars as pl

from churn.errors import ChurnError
from churn.features.catalogue import Feature
from churn.lake.files import local_or_url
from churn.lake.table import Pinned, open_table
from churn.monitoring.windows import Window

TABLE = "predictions"
_COLUMNS = (
    *("event_id", "customer_id", "event_time", "available_at", "deployment", "bundle_digest"),
    *("features", "score", "contacted", "latency_ms"),
)


class UnfitPredictions(ChurnError):
    """Logged features are not what the bundle takes."""


def open_predictions(lake_url: str) -> Pinned | None:
    """Open the newest version of the table; none before the first ingestion of predictions."""
    return open_table(f"{local_or_url(lake_url)}/{TABLE}")


def read_rows(
    table: Pinned | None,
    window: Window,
    *,
    deployment: str,
    digest: str,
    known_at: datetime,
    columns: Sequence[str] = _COLUMNS,
) -> pl.DataFrame:
    """Read what one bundle predicted in a window, as far as that was known at a moment; oldest first."""
    if table is None:
        return pl.DataFrame(schema={name: pl.String() for name in columns})
    days = (window.end.date() - window.start.date()).days
    dates = [window.start.date() + timedelta(days=day) for day in range(days + 1)]
    rows = table.scan(_COLUMNS, dates=dates).filter(
        pl.col("event_time").is_between(window.start, window.end, closed="left"),
        pl.col("available_at") <= known_at,
        deployment=deployment,
        bundle_digest=digest,
    )
    return rows.sort("event_time", "event_id").select(columns).collect()


def one_a_customer(rows: pl.DataFrame) -> pl.DataFrame:
    """Keep the first row of each customer: who asks often is one witness; a row without a customer is its own."""
    return rows.filter(pl.coalesce("customer_id", "event_id").is_first_distinct())


def decoded(features: pl.Series, catalogue: Sequence[Feature]) -> pl.DataFrame:
    """Return JSON objects of features as columns, all at once; what is not among the features is left out.

    Raises:
        UnfitPredictions: a row is no object of numbers and codes as the bundle takes them.
    """
    schema = {feature.name: feature.dtype for feature in catalogue}
    if features.is_empty():
        return pl.DataFrame(schema=schema)
    lines = features.str.join("\n").item().encode()
    try:
        frame = pl.read_ndjson(lines, schema=schema)
    except pl.exceptions.PolarsError as error:
        raise UnfitPredictions(
            f"{TABLE}: logged features are not as the bundle takes them ({type(error).__name__}); compare its inputs "
            "with the server's, or leave that time out by deploying again"
        ) from None
    if frame.height != len(features):
        raise UnfitPredictions(f"{TABLE}: {len(features)} rows have {frame.height} objects of features")
    return frame
