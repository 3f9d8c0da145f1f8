from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from churn.errors import ChurnError, CommitConflict
from churn.lake.create import create_table
from churn.lake.files import StagedFiles
from churn.lake.pins import pin, unpin
from churn.lake.snapshot import take_snapshot
from churn.lake.table import Pinned, open_version
from churn.lake.upkeep import compact, upkeep, vacuum
from churn.settings import UpkeepSettings

Events = Callable[..., pl.DataFrame]
Age = Callable[[str, float], None]
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
WEEK = timedelta(days=7)


def append_each(table: Pinned, *frames: pl.DataFrame) -> Pinned:
    for frame in frames:
        table = table.append(frame, fence="ingest", transactions=["object:1"])
    return table


def data_files(uri: str) -> set[str]:
    return {str(path) for path in Path(uri).rglob("*.parquet") if "_delta_log" not in path.parts}


def test_compaction_touches_only_full_partitions_and_keeps_rows_order_and_fences(
    lake: str, table: Pinned, events: Events
) -> None:
    before = append_each(table, *(events(name) for name in "abc"), events("d", day=2), events("e", day=2))

    result = compact(lake, "activity", min_files=3)

    after = open_version(table.uri)
    assert (result.partitions, result.files_before, result.files_after) == (1, 5, 3)
    assert len(after.files()) == 3
    assert_frame_equal(after.scan().collect(), before.scan().collect(), check_row_order=False)
    assert (after.fence("ingest"), after.has_transaction("object:1")) == (5, True)


def test_compacting_twice_is_compacting_once(lake: str, table: Pinned, events: Events) -> None:
    append_each(table, events("a"), events("b"))
    compact(lake, "activity", min_files=2)
    version = open_version(table.uri).version

    again = compact(lake, "activity", min_files=2)

    assert (again.partitions, open_version(table.uri).version) == (0, version)


def test_a_table_without_partition_is_compacted_too(lake: str) -> None:
    frame = pl.DataFrame({"a": ["x"]})
    table = create_table(f"{lake}/plain", frame.schema, name="plain")
    append_each(table, frame, frame, frame)

    assert compact(lake, "plain", min_files=2).files_after == 1
    assert open_version(table.uri).rows == 3


def test_a_writer_that_decided_before_a_compaction_decides_again(lake: str, table: Pinned, events: Events) -> None:
    stale = append_each(table, events("a"), events("b"))
    compact(lake, "activity", min_files=2)

    with pytest.raises(CommitConflict):
        stale.append(events("c"), fence="ingest")
    assert open_version(table.uri).append(events("c"), fence="ingest").rows == 3


def test_vacuum_keeps_pinned_versions_and_the_latest(lake: str, table: Pinned, events: Events, age: Age) -> None:
    append_each(table, events("a"), events("b"))
    snapshot = take_snapshot(lake)
    pin(lake, snapshot, "model-1", NOON)
    append_each(open_version(table.uri), events("c"))
    compact(lake, "activity", min_files=2)
    age(table.uri, 30)

    removed = vacuum(lake, "activity", WEEK)

    assert len(removed) == 1
    assert sorted(snapshot.open("activity").scan().collect()["event_id"]) == ["a", "b"]
    assert sorted(open_version(table.uri).scan().collect()["event_id"]) == ["a", "b", "c"]
    unpin(lake, "model-1", NOON)
    assert len(vacuum(lake, "activity", WEEK)) == 2
    assert data_files(table.uri) == set(open_version(table.uri).files())
    version = open_version(table.uri).version
    assert vacuum(lake, "activity", WEEK) == []
    assert open_version(table.uri).version == version


def test_a_dry_run_and_a_vacuum_with_nothing_to_do_change_nothing(
    lake: str, table: Pinned, events: Events, age: Age
) -> None:
    append_each(table, events("a"), events("b"))
    assert vacuum(lake, "activity", WEEK) == []
    compact(lake, "activity", min_files=2)
    age(table.uri, 30)
    version, files = open_version(table.uri).version, data_files(table.uri)

    assert len(vacuum(lake, "activity", WEEK, dry_run=True)) == 2

    assert (open_version(table.uri).version, data_files(table.uri)) == (version, files)


def test_files_of_a_writer_at_work_survive_and_old_leftovers_go(
    lake: str, table: Pinned, events: Events, age: Age
) -> None:
    append_each(table, events("a"), events("b"))
    compact(lake, "activity", min_files=2)
    with StagedFiles(table.uri) as crashed:
        crashed.write(events("never committed"), "event_date")
        crashed.keep()
    leftovers = data_files(table.uri) - set(open_version(table.uri).files())
    age(table.uri, 30)
    with StagedFiles(table.uri) as at_work:
        at_work.write(events("being written"), "event_date")
        staged = data_files(table.uri) - leftovers - set(open_version(table.uri).files())

        removed = vacuum(lake, "activity", timedelta(hours=1))

        assert {f"{table.uri}/{path}" for path in removed} == leftovers
        assert len(leftovers) == 3
        assert staged
        assert staged <= data_files(table.uri)


def test_a_vacuum_in_between_is_a_conflict(lake: str, table: Pinned, events: Events, age: Age) -> None:
    append_each(table, events("a"), events("b"))
    compact(lake, "activity", min_files=2)
    age(table.uri, 30)
    writer = open_version(table.uri)
    vacuum(lake, "activity", WEEK)

    with pytest.raises(CommitConflict):
        writer.append(events("c"), fence="ingest")
    assert open_version(table.uri).append(events("c"), fence="ingest").scan().collect().height == 3


def test_a_vacuum_that_could_take_files_at_work_is_refused(lake: str, table: Pinned) -> None:
    with pytest.raises(ChurnError, match="could delete what a writer is about to commit"):
        vacuum(lake, "activity", timedelta(minutes=59))


def test_no_vacuum_without_readable_pins(lake: str, table: Pinned, events: Events, age: Age) -> None:
    append_each(table, events("a"), events("b"))
    pin(lake, take_snapshot(lake), "model-1", NOON)
    compact(lake, "activity", min_files=2)
    age(table.uri, 30)
    files = data_files(table.uri)
    Path(lake, "pins", "_delta_log", f"{1:020}.json").write_text("{broken")

    with pytest.raises(ChurnError, match="pins: the latest version cannot be opened"):
        vacuum(lake, "activity", WEEK)

    assert data_files(table.uri) == files


def test_no_vacuum_when_a_pinned_version_lost_its_log(lake: str, table: Pinned, events: Events, age: Age) -> None:
    append_each(table, events("a"), events("b"))
    pin(lake, take_snapshot(lake), "model-1", NOON)
    compact(lake, "activity", min_files=2)
    age(table.uri, 30)
    pins = open_version(f"{lake}/pins")
    pins.append(pins.scan().with_columns(version=pl.lit(9999, pl.Int64)).collect(), fence="pins")
    files = data_files(table.uri)

    with pytest.raises(ChurnError, match=r"not vacuumed .*9999.*unpin"):
        vacuum(lake, "activity", WEEK)

    assert data_files(table.uri) == files


def test_upkeep_does_all_tables_and_reports_each(lake: str, table: Pinned, events: Events, age: Age) -> None:
    append_each(table, events("a"), events("b"))
    subjects = create_table(f"{lake}/subjects", pl.Schema({"token": pl.String()}), name="subjects")
    append_each(subjects, *[pl.DataFrame({"token": ["x"]})] * 2)
    settings = UpkeepSettings(compact_min_files=2, vacuum_after=WEEK)
    first = upkeep(lake, settings, NOON)
    for uri in (table.uri, subjects.uri):
        age(uri, 30)
    pin(lake, take_snapshot(lake), "model-1", NOON)

    second = upkeep(lake, settings, NOON)

    assert set(first.tables) == {"activity", "subjects"}
    assert {name: done.compaction.files_after for name, done in first.tables.items()} == {"activity": 1, "subjects": 1}
    assert {name: done.removed for name, done in first.tables.items()} == {"activity": 0, "subjects": 0}
    assert {name: done.removed for name, done in second.tables.items()} == {"activity": 2, "subjects": 2, "pins": 0}
    assert second.tables["activity"].pinned == (3,)
    assert second.tables["activity"].version == open_version(table.uri).version


def test_upkeep_of_no_lake_does_nothing(lake: str) -> None:
    assert upkeep(lake, UpkeepSettings(), NOON).tables == {}


def test_of_two_compactions_at_once_one_is_postponed_and_no_row_doubled(
    lake: str, table: Pinned, events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    for sequence in range(4):
        table = table.append(events(sequence, 3), fence="ingest")
    before = table.scan().collect()
    compact(lake, "activity", 2)
    monkeypatch.setattr("churn.lake.upkeep.open_version", lambda _: table)

    late = compact(lake, "activity", 2)

    assert late.partitions == 0
    monkeypatch.undo()
    assert open_version(table.uri).scan().collect().height == before.height
