import io
import re
import tarfile
from pathlib import Path

import polars as pl
import pytest

from churn.sources.online_retail import OnlineRetail
from churn.sources.source import UPLOADED, SourceError

HEADER = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country"


def archive(path: Path, **days: list[str]) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for day, lines in days.items():
            content = "\n".join([HEADER, *lines, ""]).encode()
            member = tarfile.TarInfo(f"by-day/{day.removeprefix('d').replace('_', '-')}.csv")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


@pytest.fixture(scope="module")
def lines(shared_data: Path) -> pl.DataFrame:
    return pl.concat(OnlineRetail(shared_data / "online_retail" / "by-day.tar.gz").read("activity"))


def test_the_whole_set_is_there(lines: pl.DataFrame) -> None:
    assert lines.height == 541_909
    assert lines["customer_id"].null_count() == 135_080
    assert lines[UPLOADED].is_sorted()


def test_exact_duplicates_stay_alike_and_all_other_lines_apart(lines: pl.DataFrame) -> None:
    assert lines.height - lines.unique().height == 5_268


def test_every_line_is_a_purchase_a_return_or_an_adjustment(lines: pl.DataFrame) -> None:
    counts = dict(lines["event_type"].value_counts().iter_rows())
    assert counts == {"return": 9_288, "adjustment": 1_336 + 3, "purchase": 541_909 - 9_288 - 1_336 - 3}


def test_amounts_are_exact(lines: pl.DataFrame) -> None:
    assert f"{lines['amount'].cast(pl.Decimal(18, 4)).sum():.3f}" == "9747747.934"


def test_no_line_falls_into_a_skipped_or_doubled_hour(lines: pl.DataFrame) -> None:
    local = lines["event_time"].str.slice(0, 13)
    assert not local.is_in(["2011-03-27T01", "2011-10-30T01"]).any()


def test_local_times_carry_their_offset_and_rows_keep_their_dirt(tmp_path: Path) -> None:
    source = OnlineRetail(
        archive(
            tmp_path / "by-day.tar.gz",
            d2011_07_21=["560776,20726,LUNCH BAG,10,2011-07-21 08:44:00,1.655,13995.0,United Kingdom"],
            d2010_12_01=["C536379,D,Discount,-1,2010-12-01 09:41:00,27.5,,EIRE"],
        )
    )
    winter, summer = source.read("activity")

    assert winter.drop(UPLOADED, "wording").to_dicts() == [
        {
            "customer_id": None,
            "event_time": "2010-12-01T09:41:00+00:00",
            "event_type": "return",
            "amount": "-27.5000",
            "quantity": "-1",
            "currency": "GBP",
            "item_id": "D",
            "session_id": "C536379",
            "country": "EIRE",
        }
    ]
    assert summer["event_time"].item() == "2011-07-21T08:44:00+01:00"
    assert summer[UPLOADED].dt.to_string("%FT%TZ").item() == "2011-07-21T07:44:00Z"
    assert summer["customer_id"].item() == "13995.0"
    assert re.fullmatch("[a-p]{8}", summer["wording"].item())
    assert summer["amount"].item() == "16.5500"


def test_a_missing_archive_names_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="CHURN_DATA"):
        OnlineRetail(tmp_path / "by-day.tar.gz")


@pytest.mark.parametrize("damage", [b"not an archive", b""])
def test_a_damaged_archive_is_an_error(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "by-day.tar.gz").write_bytes(damage)
    with pytest.raises(SourceError, match="cannot be read"):
        list(OnlineRetail(tmp_path / "by-day.tar.gz").read("activity"))
