import io

import numpy as np
import polars as pl
import pyarrow.parquet as pq  # type: ignore[import-untyped, unused-ignore]
import pytest

from seldon.serving.answer import Scored
from seldon.serving.columns import Columns
from seldon.serving.model import Model
from seldon.serving.records import Entry, Features, Records
from tests.seldon.serving.cases import NAMES, ROW
from tests.seldon.serving.conftest import IDENTITY, TOKEN


def test_features_have_the_digits_that_the_model_saw(model: Model, features: Features) -> None:
    rows = Columns(model, 100).read(
        ["plan", *NAMES[:2], "active_day_rate"],
        [[None, 1 / 3, 1e-30, None], ['a"b', 16777217, 2, 0.1]],
        "rows",
        lambda: False,
    )
    records = Records(IDENTITY, features, 0.0)

    records.add([Entry("r", None, 0.0, Scored(rows, [0.5, 1e-12], [True, False], 0.1))])

    logged = pl.from_arrow(pq.read_table(io.BytesIO(records.to_parquet())))
    assert isinstance(logged, pl.DataFrame)
    given = logged.unnest("features")
    assert given["recency_days"].to_list() == [np.float32(1 / 3), np.float32(16777217)]
    assert given["active_day_rate"].to_list() == [None, np.float32(0.1)]
    assert given["plan"].to_list() == [None, 'a"b']
    assert given["amount_90d"].to_list() == [None, None]
    assert given["score"].to_list() == [0.5, 1e-12]


@pytest.mark.parametrize("rows", [1, 9, 10, 11, 100, 101])
def test_every_row_of_a_request_has_a_key_of_its_own(model: Model, features: Features, rows: int) -> None:
    read = Columns(model, 200).read(NAMES, [ROW] * rows, "rows", lambda: False)
    asked = [Entry(name, TOKEN, 0.0, Scored(read, [0.5] * rows, [True] * rows, 0.1)) for name in ("r", "s")]
    records = Records(IDENTITY, features, 0.0)

    records.add(asked)

    frame = pl.read_parquet(records.to_parquet())
    assert frame["event_id"].to_list() == [f"{name}-canary-{row}" for name in ("r", "s") for row in range(rows)]
    assert frame["row"].to_list() == [*range(rows)] * 2


def test_rows_of_customers_are_about_them_and_others_about_the_header(model: Model, features: Features) -> None:
    read = Columns(model, 100).read(NAMES, [ROW, ROW], "rows", lambda: False)
    asked_for = read._replace(customers=["cus_a", "cus_b"])
    records = Records(IDENTITY, features, 0.0)

    for rows, header in ((asked_for, TOKEN), (read, TOKEN), (read, None), (asked_for, None)):
        records.add([Entry("r", header, 0.0, Scored(rows, [0.5, 0.5], [True, True], 0.1))])

    customers = pl.read_parquet(records.to_parquet())["customer_id"].to_list()
    assert customers == ["cus_a", "cus_b", TOKEN, TOKEN, None, None, "cus_a", "cus_b"]
