import multiprocessing
from collections.abc import Callable
from multiprocessing.synchronize import Barrier

import polars as pl
import pytest
from deltalake import DeltaTable

from churn.errors import ChurnError
from churn.lake.create import create_table
from churn.lake.table import Pinned, open_table, open_version

Events = Callable[..., pl.DataFrame]
ROUNDS = 200
"""Without the fence about one round in a hundred loses a column."""

_together: list[Barrier] = []
"""Where the processes of a test wait for one another."""


def _meet_at(barrier: Barrier) -> None:
    _together.append(barrier)


def _create_at_once(uri: str, schema: pl.Schema) -> None:
    _together[0].wait()
    create_table(uri, schema, name="t")


def test_a_new_table_is_empty_typed_and_never_forgets_its_log(table: Pinned, schema: pl.Schema) -> None:
    assert table.version == 0
    assert table.scan().collect_schema() == schema
    assert table.scan().collect().is_empty()
    assert table.partition_by == "event_date"
    types = {f.name: f.type.type for f in DeltaTable(table.uri).schema().fields}
    assert (types["event_time"], types["amount"]) == ("timestamp", "decimal(18,4)")
    assert DeltaTable(table.uri).metadata().configuration["delta.enableExpiredLogCleanup"] == "false"


def test_columns_are_added_as_null_and_twice_is_once(table: Pinned, schema: pl.Schema, events: Events) -> None:
    table.append(events("old"), fence="ingest")
    wider = pl.Schema([*schema.items(), ("country", pl.String())])

    evolved = create_table(table.uri, wider, name="activity", partition_by="event_date")
    again = create_table(table.uri, schema, name="activity", partition_by="event_date")
    after = evolved.append(events("new").with_columns(country=pl.lit("BE")), fence="ingest")

    assert (again.version, again.schema) == (evolved.version, wider)
    assert dict(after.scan(["event_id", "country"]).collect().rows()) == {"old": None, "new": "BE"}
    assert open_version(table.uri, 1).schema == schema


@pytest.mark.parametrize("dtype", [pl.UInt32(), pl.Datetime("us"), pl.Datetime("ms", "UTC"), pl.Categorical()])
def test_types_delta_would_change_silently_are_refused(lake: str, dtype: pl.DataType) -> None:
    with pytest.raises(ChurnError, match="c is"):
        create_table(f"{lake}/t", pl.Schema({"c": dtype}), name="t")
    assert open_table(f"{lake}/t") is None


def test_a_column_keeps_its_type_and_a_table_its_partition(table: Pinned) -> None:
    with pytest.raises(ChurnError, match=r"amount is Decimal.*asked for String"):
        create_table(table.uri, pl.Schema({"amount": pl.String()}), name="activity", partition_by="event_date")
    with pytest.raises(ChurnError, match="partitioned by event_date, not by None"):
        create_table(table.uri, pl.Schema({"amount": pl.Decimal(18, 4)}), name="activity")


def test_processes_that_create_and_evolve_at_once_all_get_their_columns(lake: str) -> None:
    context = multiprocessing.get_context("spawn")
    columns = {f"c{number}": pl.Int64() for number in range(3)}
    tables = [f"{lake}/t{number}" for number in range(ROUNDS)]

    with context.Pool(3, _meet_at, (context.Barrier(3),)) as pool:
        for uri in tables:
            jobs = [(uri, pl.Schema({"a": pl.String(), name: dtype})) for name, dtype in columns.items()]
            pool.starmap(_create_at_once, jobs, chunksize=1)

    assert [set(open_version(uri).schema) for uri in tables] == [{"a", *columns}] * ROUNDS
