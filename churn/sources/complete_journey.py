"""Complete Journey: 75,000 sampled grocery lines of 2,377 households in 2017 (84.51°, R package completejourney)."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from churn.contracts.model import TIMESTAMP
from churn.settings import Stream
from churn.sources.source import UPLOADED, SourceError, to_text, to_utc

TIMEZONE = "America/New_York"
_START = datetime(2017, 1, 1, 5, tzinfo=UTC)
_FILES = ("transactions_sample.csv.gz", "coupon_redemptions.csv.gz", "demographics.csv.gz")
_DISCOUNTS = ("retail_disc", "coupon_disc", "coupon_match_disc")


class CompleteJourney:
    """Purchases and coupon redemptions as activity, demographics as customers.

    Times: the R package builds them in America/New_York and the CSV export holds them in UTC (trade peaks at 22 to
    23 h, and the last row is of 2018-01-01 03:47, though the set is cut at local New Year). Redemptions know the
    local day only: `event_time` is its local midnight, and they are uploaded in its last hour. `amount` is what the
    retailer received, `discount` the sum of loyalty card and coupon discounts; the campaign that brought a coupon is
    its `channel`. Demographics are one record per household, valid and uploaded from the first local hour of 2017.

    Args:
        folder: where the `.csv.gz` files lie.
    """

    name = "complete_journey"

    def __init__(self, folder: Path) -> None:
        missing = [name for name in _FILES if not (folder / name).is_file()]
        if missing:
            raise SourceError(
                f"{folder}: {', '.join(missing)} missing; set CHURN_DATA to the data folder or pass the path of the set"
            )
        self._folder = folder

    def streams(self) -> tuple[Stream, ...]:
        """Return both streams."""
        return ("activity", "customers")

    def read(self, stream: Stream) -> Iterator[pl.DataFrame]:
        """Yield all rows of a stream in one frame."""
        if stream == "activity":
            both = pl.concat([self._purchases(), self._redemptions()], how="diagonal")
            yield both.sort(UPLOADED, maintain_order=True)
        elif stream == "customers":
            yield self._customers()

    def _purchases(self) -> pl.DataFrame:
        happened = pl.col("transaction_timestamp").str.to_datetime("%Y-%m-%d %H:%M:%S", time_unit="us", time_zone="UTC")
        discount = pl.sum_horizontal(pl.col(name).cast(pl.Decimal(18, 4)) for name in _DISCOUNTS)
        return self._csv("transactions_sample.csv.gz").select(
            pl.col("household_id").alias("customer_id"),
            to_text(happened, "UTC").alias("event_time"),
            pl.lit("purchase").alias("event_type"),
            pl.col("sales_value").alias("amount"),
            "quantity",
            pl.lit("USD").alias("currency"),
            pl.lit("store").alias("channel"),
            pl.col("product_id").alias("item_id"),
            pl.col("basket_id").alias("session_id"),
            discount.cast(pl.String).alias("discount"),
            pl.col("store_id").alias("store"),
            happened.alias(UPLOADED),
        )

    def _redemptions(self) -> pl.DataFrame:
        day = pl.col("redemption_date").cast(pl.Float64).cast(pl.Int32).cast(pl.Date).cast(pl.Datetime("us"))
        return self._csv("coupon_redemptions.csv.gz").select(
            pl.col("household_id").alias("customer_id"),
            to_text(to_utc(day, TIMEZONE), TIMEZONE).alias("event_time"),
            pl.lit("coupon_redemption").alias("event_type"),
            ("campaign-" + pl.col("campaign_id")).alias("channel"),
            pl.col("coupon_upc").alias("item_id"),
            to_utc(day + pl.duration(hours=23), TIMEZONE).alias(UPLOADED),
        )

    def _customers(self) -> pl.DataFrame:
        start = pl.lit(_START, TIMESTAMP)
        return self._csv("demographics.csv.gz").select(
            pl.col("household_id").alias("customer_id"),
            to_text(start, TIMEZONE).alias("valid_from"),
            pl.lit("US").alias("country"),
            pl.col("age").alias("age_band"),
            pl.col("income").alias("income_band"),
            pl.col("household_comp").alias("household"),
            "household_size",
            pl.col("kids_count").alias("kids"),
            start.alias(UPLOADED),
        )

    def _csv(self, name: str) -> pl.DataFrame:
        try:
            return pl.read_csv(self._folder / name, infer_schema=False)
        except (pl.exceptions.PolarsError, OSError) as error:
            fault = type(error).__name__
            raise SourceError(f"{self._folder / name}: cannot be read ({fault}); fetch it again") from None
