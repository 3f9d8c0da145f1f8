"""The same dbt project on Spark and on DuckDB: every row and column of what both make, without a tolerance.

Sums are decimals, and every floating-point column comes from them and from counts by single operations (a cast, a
division, a square root) that both engines round alike, so that nothing has to be forgiven.
"""

from datetime import date
from typing import TYPE_CHECKING

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from churn.features.catalogue import TABLE
from churn.features.content import frame_digest
from churn.features.tables import CUSTOMER, CUTOFF, DAYS, LABEL, VALUES

if TYPE_CHECKING:
    from tests.spark.conftest import Compared

pytestmark = [pytest.mark.spark, pytest.mark.timeout(1800)]

KEYS = {
    DAYS: [CUSTOMER, "event_day", "available_day", "event_type", "country", "plan"],
    VALUES: [CUSTOMER, "event_day", "available_day", "item_id", "channel", "session_id"],
    TABLE: [CUTOFF, CUSTOMER],
}


@pytest.mark.parametrize("table", KEYS)
def test_spark_makes_the_rows_of_duckdb(compared: "Compared", table: str) -> None:
    duckdb, spark = compared.duckdb[table], compared.spark[table]

    assert_frame_equal(spark.select(duckdb.columns).sort(KEYS[table]), duckdb.sort(KEYS[table]), check_exact=True)


def test_spark_makes_the_digests_of_duckdb(compared: "Compared") -> None:
    built = compared.built
    rows = compared.spark[TABLE].select(CUSTOMER, CUTOFF, *built.recipe.columns, LABEL).sort(CUSTOMER)

    digests = {str(day): frame_digest(rows.filter(pl.col(CUTOFF) == day).drop(CUTOFF)) for day in built.cutoffs.all}

    assert digests == built.digests


def test_the_history_holds_what_engines_could_disagree_on(compared: "Compared") -> None:
    rows, days, built = compared.duckdb[TABLE], compared.duckdb[DAYS], compared.built

    assert len(built.cutoffs.all) == 5
    assert date(2024, 2, 29) in built.cutoffs.labelled
    assert days["events"].sum() == 100_000
    assert days.filter(pl.col("available_day") > pl.col("event_day").dt.offset_by("30d")).height > 4_000
    assert set(rows[LABEL]) == {True, False, None}
    # Days times a million no longer fit 32 bits, nor amounts the 53 bits of a double.
    assert rows.filter(pl.col("tenure_days") > 2_147).height > 20
    assert rows.filter(pl.col("amount_total").abs() > 2**53 / 10_000).height > 20
    assert [name for name in built.recipe.columns if rows[name].null_count() == rows.height] == []
