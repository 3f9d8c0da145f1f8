"""The `predictions` table: rows of a window, and their features as columns."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from churn.contracts.model import load_contract
from churn.errors import ChurnError
from churn.features.catalogue import Feature
from churn.lake.files import local_or_url
from churn.lake.table import Pinned, open_table
from churn.monitoring.windows import Window

TABLE = "predictions"
FEATURES = "features"
_COLUMNS = ("event_id", "customer_id", "event_time", "score", "contacted", "latency_ms")


class UnfitPredictions(ChurnError):
    """Logged features are not what the bundle takes."""


def open_predictions(lake_url: str) -> Pinned | None:
    """Open the newest version of the table; none before the first ingestion of predictions."""
    return open_table(f"{local_or_url(lake_url)}/{TABLE}")


@dataclass(frozen=True)
class Predictions:
    """What one bundle predicted, as far as that was known at a moment.

    Attributes:
        table: none before the first ingestion of predictions.
        deployment: whose predictions count.
        digest: of the bundle.
        known_at: what became available later does not count.
    """

    table: Pinned | None
    deployment: str
    digest: str
    known_at: datetime

    def rows(self, window: Window) -> pl.DataFrame:
        """Return the rows of a window without their features, oldest first."""
        if self.table is None:
            contract = load_contract(TABLE).schema
            return pl.DataFrame(schema={name: contract[name] for name in _COLUMNS})
        return self._scan(window, _COLUMNS).sort("event_time", "event_id").collect()

    def with_features(self, rows: pl.DataFrame, window: Window) -> pl.DataFrame:
        """Return some rows of a window with their features, which are most of what a row weighs."""
        if self.table is None or rows.is_empty():
            return rows.with_columns(pl.lit(None, pl.String).alias(FEATURES))
        wanted = rows.lazy().select("event_id")
        texts = self._scan(window, ("event_id", FEATURES)).join(wanted, on="event_id", how="semi")
        return rows.join(texts.collect(engine="streaming"), on="event_id", how="left", maintain_order="left")

    def _scan(self, window: Window, columns: Sequence[str]) -> pl.LazyFrame:
        assert self.table is not None
        days = (window.end.date() - window.start.date()).days
        dates = [window.start.date() + timedelta(days=day) for day in range(days + 1)]
        conditions = ("event_time", "available_at", "deployment", "bundle_digest")
        return (
            self.table.scan(dict.fromkeys([*columns, *conditions]), dates=dates)
            .filter(
                pl.col("event_time").is_between(window.start, window.end, closed="left"),
                pl.col("available_at") <= self.known_at,
                deployment=self.deployment,
                bundle_digest=self.digest,
            )
            .select(columns)
        )


def evenly(rows: pl.DataFrame, most: int) -> pl.DataFrame:
    """Return at most so many rows, evenly from all of them."""
    return rows.gather_every(max(1, -(-rows.height // most)))


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
    except (pl.exceptions.PolarsError, OSError) as error:  # the latter of what begins like a compressed file
        raise UnfitPredictions(
            f"{TABLE}: logged features are not as the bundle takes them ({type(error).__name__}); compare its inputs "
            "with the server's, or leave that time out by deploying again"
        ) from None
    if frame.height != len(features):
        raise UnfitPredictions(f"{TABLE}: {len(features)} rows have {frame.height} objects of features")
    return frame
