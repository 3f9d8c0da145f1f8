import io
from typing import Any

import numpy as np
import polars as pl
import pyarrow.parquet as pq  # type: ignore[import-untyped, unused-ignore]
import pytest

from seldon.serving import records as records_module
from seldon.serving.columns import Columns
from seldon.serving.model import Model
from seldon.serving.records import Features, Records
from tests.seldon.serving.cases import NAMES, ROW
from tests.seldon.serving.conftest import IDENTITY, TOKEN, entry_of


def test_features_have_the_digits_that_the_model_saw(model: Model, features: Features) -> None:
    rows = Columns(model, 100).read(
        ["plan", *NAMES[:2], "active_day_rate"],
        [[None, 1 / 3, 1e-30, None], ['a"b', 16777217, 2, 0.1]],
        "rows",
        lambda: False,
    )
    records = Records(IDENTITY, features, 0.0)

    records.add(entry_of(model, ["r"], [None], [rows], scores=[0.5, 1e-12]))

    logged = pl.from_arrow(pq.read_table(io.BytesIO(records.to_parquet())))
    assert isinstance(logged, pl.DataFrame)
    given = logged.unnest("features")
    assert given["recency_days"].to_list() == [np.float32(1 / 3), np.float32(16777217)]
    assert given["active_day_rate"].to_list() == [None, np.float32(0.1)]
    assert given["plan"].to_list() == [None, 'a"b']
    assert given["amount_90d"].to_list() == [None, None]
    assert given["score"].to_list() == [0.5, 1e-12]


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("rows", [1, 9, 10, 11, 100, 101])
def test_every_row_of_a_request_has_a_key_of_its_own(
    model: Model, features: Features, rows: int, together: bool
) -> None:
    read = Columns(model, 200).read(NAMES, [ROW] * rows, "rows", lambda: False)
    names = [["r", "s"]] if together else [["r"], ["s"]]
    records = Records(IDENTITY, features, 0.0)

    for ids in names:
        records.add(entry_of(model, ids, [TOKEN] * len(ids), [read] * len(ids)))

    frame = pl.read_parquet(records.to_parquet())
    assert frame["event_id"].to_list() == [f"{name}-canary-{row}" for name in ("r", "s") for row in range(rows)]
    assert frame["request_id"].to_list() == ["r"] * rows + ["s"] * rows
    assert frame["row"].to_list() == [*range(rows)] * 2


def test_requests_that_were_scored_together_keep_what_is_their_own(model: Model, features: Features) -> None:
    columns = Columns(model, 100)
    given: list[list[list[Any]]] = [[ROW], [[1, 2, "a", 3], [4, 5, None, 6]]]
    one, two = (columns.read(NAMES, rows, "rows", lambda: False) for rows in given)
    entry = entry_of(model, ["r", "s"], [TOKEN, None], [one, two], scores=[0.9, 0.1, 0.6], at=2.5)
    records = Records(IDENTITY, features, 0.0)

    records.add(entry._replace(latencies=[1.25, 2.5]))
    records.add(entry_of(model, ["t"], ["cus_t"], [one], at=7.0))

    logged = pl.read_parquet(records.to_parquet()).unnest("features")
    assert logged["request_id"].to_list() == ["r", "s", "s", "t"]
    assert logged["customer_id"].to_list() == [TOKEN, None, None, "cus_t"]
    assert logged["row"].to_list() == [0, 0, 1, 0]
    assert logged["latency_ms"].to_list() == [1.25, 2.5, 2.5, 0.5]
    assert logged["event_time"].dt.timestamp("ms").to_list() == [2500, 2500, 2500, 7000]
    assert logged["score"].to_list() == [0.9, 0.1, 0.6, 0.5]
    assert logged["contacted"].to_list() == [True, False, True, True]
    assert logged["recency_days"].to_list() == [ROW[0], 1, 4, ROW[0]]
    assert logged["plan"].to_list() == [ROW[2], "a", None, ROW[2]]


def test_many_numbers_and_categories_are_kept_though_not_in_one_piece(
    model: Model, features: Features, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records_module, "_BLOCK", 100)
    monkeypatch.setattr(records_module, "_CODES", 4)
    columns, records = Columns(model, 100), Records(IDENTITY, features, 0.0)
    given = [[float(number), number * 0.5, None if number % 5 == 0 else f"p{number}", None] for number in range(60)]

    for row in (*given, *given):
        records.add(entry_of(model, ["r" * 40], [TOKEN], [columns.read(NAMES, [row], "rows", lambda: False)]))

    logged = pl.read_parquet(records.to_parquet()).unnest("features")
    assert [list(row) for row in logged.select(NAMES).iter_rows()] == given * 2
    assert len(records._encoded) == 4
    assert all(len(column) > 1 for column in (records._numbers, *records._texts.values()))
    assert max(map(len, records._categories)) > 1
    assert max(map(len, records._numbers)) < 100 + 4 * len(features.numbers) + 1


def test_rows_of_customers_are_about_them_and_others_about_the_header(model: Model, features: Features) -> None:
    read = Columns(model, 100).read(NAMES, [ROW, ROW], "rows", lambda: False)
    records = Records(IDENTITY, features, 0.0)

    records.add(entry_of(model, ["r", "s", "t"], [["cus_a", "cus_b"], TOKEN, None], [read] * 3))

    customers = pl.read_parquet(records.to_parquet())["customer_id"].to_list()
    assert customers == ["cus_a", "cus_b", TOKEN, TOKEN, None, None]
