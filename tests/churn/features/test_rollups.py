from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from churn.features.rollups import StoredRollup, stored_rollup
from churn.features.tables import ROLLUPS, VALUES
from churn.lake.table import open_table
from churn.lake.upkeep import compact


@pytest.fixture
def values(tmp_path: Path) -> Callable[..., Path]:
    """A file as dbt writes it: one row per customer, all of the range that ends at `through`."""

    def write(through: int, customers: Sequence[str]) -> Path:
        rows = [
            {"customer_id": customer, "event_day": date(2026, 1, 1), "ingest_seq": through} for customer in customers
        ]
        file = tmp_path / f"through-{through}-{len(customers)}.parquet"
        pl.DataFrame(rows, schema=ROLLUPS[VALUES]).write_parquet(file)
        return file

    return write


@pytest.fixture
def lake(tmp_path: Path) -> str:
    return str(tmp_path / "lake")


def stored(lake: str) -> list[tuple[str, int]]:
    table = open_table(f"{lake}/{VALUES}")
    return [] if table is None else sorted(table.scan(["customer_id", "ingest_seq"]).collect().rows())


def used(rollup: StoredRollup, through: int) -> list[str]:
    rows = pl.concat([pl.read_parquet(file, glob=False) for file in rollup.files])
    return sorted(rows.filter(pl.col("ingest_seq") <= through)["customer_id"])


def test_ranges_follow_one_another(lake: str, values: Callable[..., Path]) -> None:
    stored_rollup(lake, VALUES, 3).append(values(3, ["ann"]), 3)
    rollup = stored_rollup(lake, VALUES, 5)
    assert rollup.reach == 3

    rollup.append(values(5, ["ben"]), 5)

    assert stored(lake) == [("ann", 3), ("ben", 5)]
    assert stored_rollup(lake, VALUES, 9).reach == 5


def test_two_builders_at_once_store_a_range_once(lake: str, values: Callable[..., Path]) -> None:
    stored_rollup(lake, VALUES, 1).append(values(1, ["old"]), 1)
    one, two = stored_rollup(lake, VALUES, 3), stored_rollup(lake, VALUES, 5)

    one.append(values(3, ["ann"]), 3)
    two.append(values(5, ["ann", "ben"]), 5)

    assert stored(lake) == [("ann", 3), ("old", 1)]


def test_two_builders_that_meet_on_an_empty_lake_store_a_range_once(lake: str, values: Callable[..., Path]) -> None:
    one, two = stored_rollup(lake, VALUES, 3), stored_rollup(lake, VALUES, 5)

    one.append(values(3, ["ann"]), 3)
    two.append(values(5, ["ann", "ben"]), 5)

    assert stored(lake) == [("ann", 3)]


def test_nothing_new_stores_nothing(lake: str, values: Callable[..., Path]) -> None:
    stored_rollup(lake, VALUES, 3).append(values(3, []), 3)

    assert stored(lake) == []


@pytest.mark.parametrize("compacted", [False, True])
def test_an_older_snapshot_sees_no_later_range_and_stores_nothing(
    lake: str, values: Callable[..., Path], compacted: bool
) -> None:
    for through, customer in ((3, "ann"), (5, "ben"), (8, "eve")):
        stored_rollup(lake, VALUES, through).append(values(through, [customer]), through)
    if compacted:
        compact(lake, VALUES, 2)

    rollup = stored_rollup(lake, VALUES, 6)
    rollup.append(values(6, ["zoe"]), 6)

    assert rollup.reach == 5
    assert used(rollup, 6) == ["ann", "ben"]
    assert stored(lake) == [("ann", 3), ("ben", 5), ("eve", 8)]
    assert stored_rollup(lake, VALUES, 2).reach == 0


def test_a_file_that_does_not_fit_is_refused(lake: str, values: Callable[..., Path]) -> None:
    file = values(3, ["ann"])
    pl.read_parquet(file).drop("channel").write_parquet(file)

    with pytest.raises(Exception, match="channel is missing"):
        stored_rollup(lake, VALUES, 3).append(file, 3)
    assert stored(lake) == []
