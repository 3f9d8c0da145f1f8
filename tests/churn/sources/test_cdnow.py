from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from churn.contracts import load_contract
from churn.sources.cdnow import Cdnow
from churn.sources.source import UPLOADED, SourceError


@pytest.fixture(scope="module")
def purchases() -> pl.DataFrame:
    return pl.concat(Cdnow().read("activity"))


def test_the_whole_set_is_there(purchases: pl.DataFrame) -> None:
    assert purchases.height == 69_659
    assert purchases["customer_id"].n_unique() == 23_570
    assert purchases.height - purchases.unique().height == 255
    assert f"{purchases['amount'].cast(pl.Decimal(18, 4)).sum():.2f}" == "2500315.63"


def test_a_purchase_is_uploaded_as_the_data_write_it(purchases: pl.DataFrame) -> None:
    first = purchases.filter(pl.col("customer_id") == "00002")
    assert first.drop(UPLOADED).rows(named=True) == [
        {
            "customer_id": "00002",
            "event_time": "1997-01-12T00:00:00Z",
            "event_type": "purchase",
            "quantity": quantity,
            "amount": amount,
            "currency": "USD",
        }
        for quantity, amount in [("1", "12.00"), ("5", "77.00")]
    ]


def test_a_days_purchases_are_handed_over_its_hours_by_customer(purchases: pl.DataFrame) -> None:
    of_customer_25 = purchases.filter(pl.col("customer_id") == "00025")
    assert of_customer_25[UPLOADED].dt.hour().unique().to_list() == [1]
    same_day = purchases[UPLOADED].dt.strftime("%Y-%m-%d") == purchases["event_time"].str.head(10)
    assert same_day.all()
    assert purchases[UPLOADED].is_sorted()
    assert purchases[UPLOADED].first() == datetime(1997, 1, 1, tzinfo=UTC)


def test_only_columns_of_the_contract_are_uploaded(purchases: pl.DataFrame) -> None:
    assert set(purchases.columns) - {UPLOADED} <= set(load_contract("activity").columns)


def test_other_streams_are_empty() -> None:
    assert Cdnow().streams() == ("activity",)
    assert list(Cdnow().read("customers")) == []


def test_a_missing_file_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"master\.txt.*no such file"):
        list(Cdnow(tmp_path / "master.txt").read("activity"))
