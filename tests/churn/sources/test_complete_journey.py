from pathlib import Path

import polars as pl
import pytest

from churn.contracts import load_contract
from churn.settings import Stream
from churn.sources.complete_journey import CompleteJourney
from churn.sources.source import UPLOADED, SourceError


@pytest.fixture(scope="module")
def source(shared_data: Path) -> CompleteJourney:
    return CompleteJourney(shared_data / "complete_journey")


@pytest.fixture(scope="module")
def activity(source: CompleteJourney) -> pl.DataFrame:
    return pl.concat(source.read("activity"))


def test_the_whole_set_is_there_without_duplicates(activity: pl.DataFrame) -> None:
    counts = dict(activity["event_type"].value_counts().iter_rows())
    assert counts == {"purchase": 75_000, "coupon_redemption": 2_102}
    assert activity.unique().height == activity.height
    assert activity[UPLOADED].is_sorted()
    assert activity[UPLOADED].null_count() == 0


def test_the_discount_is_the_sum_of_three(activity: pl.DataFrame) -> None:
    discount = activity["discount"].cast(pl.Decimal(18, 4)).sum()
    assert f"{discount:.2f}" == "41779.72"


def test_purchases_are_trade_of_the_day_in_new_york(activity: pl.DataFrame) -> None:
    purchases = activity.filter(pl.col("event_type") == "purchase")
    local = purchases[UPLOADED].dt.convert_time_zone("America/New_York")
    assert local.dt.year().unique().to_list() == [2017]
    at_night = local.dt.hour().is_between(1, 5)
    assert at_night.sum() / purchases.height < 0.02


def test_a_redemption_is_known_at_the_end_of_its_local_day(activity: pl.DataFrame) -> None:
    redemptions = activity.filter(pl.col("event_type") == "coupon_redemption")
    happened = redemptions["event_time"].str.to_datetime(time_zone="UTC")
    waited = (redemptions[UPLOADED] - happened).unique().to_list()
    assert sorted(wait.total_seconds() / 3600 for wait in waited) == [23.0, 24.0]  # one day of 25 hours
    assert redemptions["event_time"].str.contains("T00:00:00-0[45]:00$").all()


def test_demographics_are_customers_known_from_the_start(source: CompleteJourney, activity: pl.DataFrame) -> None:
    customers = pl.concat(source.read("customers"))
    assert customers.height == customers["customer_id"].n_unique() == 801
    assert customers["valid_from"].unique().to_list() == ["2017-01-01T00:00:00-05:00"]
    assert (activity[UPLOADED] >= customers[UPLOADED].first()).all()


@pytest.mark.parametrize("stream", ["activity", "customers"])
def test_only_declared_columns_are_uploaded(source: CompleteJourney, stream: Stream) -> None:
    contract = load_contract(stream)
    uploaded = {name for frame in source.read(stream) for name in frame.columns}
    assert uploaded - {UPLOADED} <= {*contract.columns, *contract.attributes}


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "demographics.csv.gz").touch()
    with pytest.raises(SourceError, match=r"transactions_sample\.csv\.gz, coupon_redemptions\.csv\.gz missing"):
        CompleteJourney(tmp_path)
