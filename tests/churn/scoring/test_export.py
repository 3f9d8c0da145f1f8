import csv
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from churn.scoring.export import export_contacts, harmless
from tests.churn.scoring.test_table import scores

DAY = date(2026, 11, 21)


def test_the_list_holds_the_contacts_in_their_order(tmp_path: Path) -> None:
    made = export_contacts(scores(8).sample(fraction=1, shuffle=True, seed=1), str(tmp_path / "out"), DAY, "7")

    with open(made.csv, newline="") as file:
        rows = list(csv.DictReader(file))
    parquet = pl.read_parquet(made.parquet)
    assert made.customers == len(rows) == parquet.height == 5
    assert [int(row["rank"]) for row in rows] == parquet["rank"].to_list() == [1, 2, 3, 4, 5]
    assert [float(row["score"]) for row in rows] == pytest.approx(parquet["score"].to_list(), abs=1e-9)
    assert {row["model_version"] for row in rows} == {"7"}
    assert {row["scoring_date"] for row in rows} == {"2026-11-21"}


def test_a_list_of_the_same_name_is_replaced_whole(tmp_path: Path) -> None:
    export_contacts(scores(9), str(tmp_path), DAY, "7")
    made = export_contacts(scores(4), f"file://{tmp_path}", DAY, "7")

    assert pl.read_csv(made.csv).height == made.customers == 1
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".csv", ".parquet"]


@pytest.mark.parametrize(
    "cell", ["=cmd|' /C calc'!A0", "+1+1", "-1.2 spent a purchase", "@SUM(A1)", " =1", "\t=1", "|x", "%0A"]
)
def test_what_a_spreadsheet_would_run_is_made_text(tmp_path: Path, cell: str) -> None:
    made = export_contacts(scores().with_columns(reason_1=pl.lit(cell)), str(tmp_path), DAY, "7")

    with open(made.csv, newline="") as file:
        assert {row["reason_1"] for row in csv.DictReader(file)} == {"'" + cell}
    assert set(pl.read_parquet(made.parquet)["reason_1"]) == {cell}


@given(cell=st.text(max_size=20))
def test_no_text_begins_like_a_formula(cell: str) -> None:
    [shown] = pl.DataFrame({"reason": [cell]}).select(harmless("reason"))["reason"]

    assert shown in (cell, "'" + cell)
    assert shown.lstrip()[:1] not in tuple("=+-@")
