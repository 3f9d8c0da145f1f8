import hashlib
from pathlib import Path

import polars as pl
import pytest

from benchmarks.generate import FORMATS, START, Format, Plan, cached, hourly, write

PLAN = Plan(events=20_000, customers=500, hours=24, seed=7)


def digest(folder: Path) -> str:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    content = b"".join(path.relative_to(folder).as_posix().encode() + path.read_bytes() for path in files)
    return hashlib.sha256(content).hexdigest()


@pytest.fixture(scope="module")
def rows() -> pl.DataFrame:
    return pl.concat([frame for _, frame in hourly(PLAN)])


@pytest.mark.parametrize("form", FORMATS)
def test_the_same_plan_gives_the_same_bytes_and_another_seed_other_ones(tmp_path: Path, form: Format) -> None:
    small = Plan(events=600, customers=50, hours=3, seed=1)
    write(small, form, tmp_path / "one")
    write(small, form, tmp_path / "again")
    write(Plan(events=600, customers=50, hours=3, seed=2), form, tmp_path / "other")

    assert digest(tmp_path / "one") == digest(tmp_path / "again")
    assert digest(tmp_path / "one") != digest(tmp_path / "other")


def test_every_hour_has_one_object_where_an_uploader_would_put_it(tmp_path: Path) -> None:
    write(Plan(events=1_300, customers=50, hours=26), "csv", tmp_path)

    found = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.csv"))

    assert len(found) == 26
    assert found[0] == "activity/dt=2026-01-01/hour=00/part-000.csv"
    assert found[-1] == "activity/dt=2026-01-02/hour=01/part-000.csv"


def test_the_dirt_is_counted_exactly(rows: pl.DataFrame) -> None:
    assert rows.height == 20_000
    assert rows.height - rows["event_id"].n_unique() == PLAN.duplicates == 20
    assert rows.height - rows.unique().height == 20
    assert rows["customer_id"].null_count() == PLAN.without_customer == 10
    assert rows["amount"].is_nan().sum() == PLAN.broken_amounts == 10
    assert PLAN.appended == 19_960


def test_some_duplicates_come_an_hour_late() -> None:
    late = {
        hour: frame.filter(pl.col("event_time") < hour).height
        for hour, frame in hourly(PLAN)
        if not frame.filter(pl.col("event_time") < hour).is_empty()
    }

    assert START not in late
    assert 0 < sum(late.values()) < PLAN.duplicates


def test_values_look_like_the_contract(rows: pl.DataFrame) -> None:
    assert rows["event_id"].str.contains("^[0-9a-f]{32}$").all()
    assert rows["customer_id"].drop_nulls().str.contains(r"^([0-9]{8}|customer\.[0-9]{8}@mail\.example)$").all()
    assert rows["device_id"].str.contains("^[0-9]{19}$").all()
    assert rows["event_type"].n_unique() == 4


def test_too_few_events_for_the_hours_are_refused() -> None:
    with pytest.raises(ValueError, match="give every hour at least 50"):
        Plan(events=100, hours=24)


def test_a_landing_zone_is_made_once(tmp_path: Path) -> None:
    small = Plan(events=600, customers=50, hours=3)

    first = cached(small, "parquet", tmp_path)
    made = {path: path.stat().st_mtime_ns for path in first.rglob("*.parquet")}
    again = cached(small, "parquet", tmp_path)

    assert again == first
    assert {path: path.stat().st_mtime_ns for path in again.rglob("*.parquet")} == made
    assert [path.name for path in tmp_path.iterdir()] == [first.name]
