from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable
from pydantic import ValidationError

from churn.errors import SnapshotError
from churn.lake.create import create_table
from churn.lake.snapshot import DataSnapshot, take_snapshot
from churn.lake.table import Pinned, open_version
from churn.lake.upkeep import vacuum

Events = Callable[..., pl.DataFrame]
Age = Callable[[str, float], None]


def ids(table: Pinned) -> list[str]:
    return sorted(table.scan().collect()["event_id"])


def test_a_snapshot_records_known_tables_and_never_the_subjects(
    lake: str, table: Pinned, schema: pl.Schema, events: Events
) -> None:
    after = table.append(events("a", "b"), fence="ingest")
    create_table(f"{lake}/subjects", schema, name="subjects")

    snapshot = take_snapshot(lake)

    assert set(snapshot.tables) == {"activity"}
    recorded = snapshot.tables["activity"]
    assert (recorded.uri, recorded.version, recorded.rows) == (after.uri, 1, 2)
    assert DataSnapshot.model_validate_json(snapshot.model_dump_json()) == snapshot


def test_a_snapshot_of_no_lake_is_empty_but_a_named_table_must_exist(lake: str) -> None:
    assert take_snapshot(lake).tables == {}
    with pytest.raises(SnapshotError, match="customers: missing"):
        take_snapshot(lake, ["customers"])


def test_a_snapshot_is_frozen_and_refuses_unknown_keys(lake: str, table: Pinned) -> None:
    snapshot = take_snapshot(lake)
    with pytest.raises(ValidationError):
        snapshot.tables["activity"].version = 7  # type: ignore[misc]
    with pytest.raises(ValidationError):
        DataSnapshot.model_validate({"tables": {}, "colour": "red"})


def test_the_digest_follows_the_rows_not_the_moment(lake: str, table: Pinned, events: Events) -> None:
    first = take_snapshot(lake)
    again = take_snapshot(lake)
    table.append(events("a"), fence="ingest")

    assert again.digest == first.digest
    assert take_snapshot(lake).digest != first.digest


def test_a_snapshot_opens_its_version_after_appends_compaction_and_new_columns(
    lake: str, table: Pinned, schema: pl.Schema, events: Events
) -> None:
    current = table.append(events("a"), fence="ingest").append(events("b"), fence="ingest")
    snapshot = take_snapshot(lake)
    current.append(events("c"), fence="ingest")
    DeltaTable(table.uri).optimize.compact()
    create_table(table.uri, pl.Schema([*schema.items(), ("x", pl.Int64())]), name="activity", partition_by="event_date")

    opened = snapshot.open("activity")

    assert (opened.version, ids(opened), opened.schema) == (2, ["a", "b"], schema)
    snapshot.verify()


def test_a_version_that_was_not_pinned_and_vacuumed_says_so(lake: str, table: Pinned, events: Events, age: Age) -> None:
    table.append(events("a"), fence="ingest").append(events("b"), fence="ingest")
    snapshot = take_snapshot(lake)
    DeltaTable(table.uri).optimize.compact()
    age(table.uri, 30)
    vacuum(lake, "activity", timedelta(days=7))

    with pytest.raises(SnapshotError, match=r"activity at version 2: 2 of 2 files are vacuumed"):
        snapshot.open("activity")
    assert ids(open_version(table.uri)) == ["a", "b"]


def test_files_lost_by_accident_are_missing_not_vacuumed(lake: str, table: Pinned, events: Events) -> None:
    after = table.append(events("a"), fence="ingest")
    snapshot = take_snapshot(lake)
    Path(after.files()[0]).unlink()

    with pytest.raises(SnapshotError, match="1 of 1 files are missing"):
        snapshot.verify()


def test_a_file_of_another_size_is_altered(lake: str, table: Pinned, events: Events) -> None:
    after = table.append(events("a"), fence="ingest")
    snapshot = take_snapshot(lake)
    with Path(after.files()[0]).open("ab") as file:
        file.write(b"x")

    with pytest.raises(SnapshotError, match="altered, 1 files have another size"):
        snapshot.open("activity")


def test_another_table_at_the_same_place_and_version_is_altered(
    lake: str, table: Pinned, schema: pl.Schema, events: Events
) -> None:
    table.append(events("a"), fence="ingest")
    snapshot = take_snapshot(lake)
    Path(lake).rename(f"{lake}-before")
    rebuilt = create_table(table.uri, schema, name="activity", partition_by="event_date")
    rebuilt.append(events("a"), fence="ingest")

    with pytest.raises(SnapshotError, match="altered, its log names other files"):
        snapshot.open("activity")


def test_a_table_or_version_that_is_gone_is_missing(lake: str, table: Pinned, events: Events) -> None:
    table.append(events("a"), fence="ingest")
    snapshot = take_snapshot(lake)
    Path(table.uri, "_delta_log", f"{1:020}.json").unlink()

    with pytest.raises(SnapshotError, match="activity at version 1: missing"):
        snapshot.open("activity")
    Path(lake).rename(f"{lake}-gone")
    with pytest.raises(SnapshotError, match="missing, there is no table"):
        snapshot.open("activity")
    with pytest.raises(SnapshotError, match="customers: not in this snapshot, which holds activity"):
        snapshot.open("customers")
