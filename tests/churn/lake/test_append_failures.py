import multiprocessing
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable

from churn.errors import CommitConflict
from churn.lake.create import create_table
from churn.lake.files import StagedFiles
from churn.lake.table import Pinned, open_version

Events = Callable[..., pl.DataFrame]
WRITERS = "abcd"


def data_files(uri: str) -> set[str]:
    return {str(path) for path in Path(uri).rglob("*.parquet") if "_delta_log" not in path.parts}


def _append_until_in(arguments: tuple[str, str, int, pl.DataFrame]) -> int:
    uri, writer, times, frame = arguments
    Path(f"{uri}.{writer}.ready").touch()
    while len(list(Path(uri).parent.glob("*.ready"))) < len(WRITERS):
        time.sleep(0.01)
    conflicts = 0
    for number in range(times):
        rows = frame.with_columns(event_id=pl.lit(f"{writer}-{number}"))
        while True:
            try:
                open_version(uri).append(rows, fence="ingest", transactions=[f"object:{writer}-{number}"])
            except CommitConflict:
                conflicts += 1
                continue
            break
    return conflicts


def test_the_second_of_two_writers_conflicts_and_succeeds_after_a_reload(table: Pinned, events: Events) -> None:
    first, second = open_version(table.uri), open_version(table.uri)
    after = first.append(events("a"), fence="ingest")

    with pytest.raises(CommitConflict, match="version 1 was committed by another writer"):
        second.append(events("b"), fence="ingest")

    assert data_files(table.uri) == set(after.files())
    reloaded = open_version(table.uri).append(events("b"), fence="ingest")
    assert sorted(reloaded.scan().collect()["event_id"]) == ["a", "b"]
    assert reloaded.fence("ingest") == 2


def test_appends_of_several_decisions_conflict_like_others(table: Pinned, events: Events) -> None:
    first, second = open_version(table.uri), open_version(table.uri)
    assert first.append(events("a"), fence="journal", steps=3).fence("journal") == 3

    with pytest.raises(CommitConflict):
        second.append(events("b"), fence="journal", steps=2)

    reloaded = open_version(table.uri).append(events("b"), fence="journal", steps=2)
    assert (reloaded.fence("journal"), reloaded.rows) == (5, 2)


def test_writers_under_different_fences_conflict_too(table: Pinned, events: Events) -> None:
    other = open_version(table.uri)
    table.append(events("a"), fence="ingest")

    with pytest.raises(CommitConflict):
        other.append(events("b"), fence="backfill")


def test_a_compaction_in_between_is_a_conflict(table: Pinned, events: Events) -> None:
    current = table.append(events("a"), fence="ingest").append(events("b"), fence="ingest")
    DeltaTable(table.uri).optimize.compact()

    with pytest.raises(CommitConflict):
        current.append(events("c"), fence="ingest")

    assert open_version(table.uri).append(events("c"), fence="ingest").rows == 3


def test_a_new_column_in_between_is_a_conflict(table: Pinned, schema: pl.Schema, events: Events) -> None:
    stale = table.append(events("a"), fence="ingest")
    wider = pl.Schema([*schema.items(), ("x", pl.Int64())])
    create_table(table.uri, wider, name="activity", partition_by="event_date")

    with pytest.raises(CommitConflict):
        stale.append(events("b"), fence="ingest")

    assert open_version(table.uri).rows == 1


def test_four_processes_at_once_lose_and_double_nothing(table: Pinned, events: Events) -> None:
    times = 8
    jobs = [(table.uri, writer, times, events("x", day=number + 1)) for number, writer in enumerate(WRITERS)]

    with multiprocessing.get_context("spawn").Pool(len(WRITERS)) as pool:
        conflicts = sum(pool.map(_append_until_in, jobs))

    latest = open_version(table.uri)
    expected = {f"{writer}-{number}" for writer in WRITERS for number in range(times)}
    found = latest.scan().collect()["event_id"].to_list()
    assert conflicts > 0
    assert (len(found), set(found)) == (len(expected), expected)
    assert latest.fence("ingest") == len(expected) == latest.version
    assert all(latest.has_transaction(f"object:{name}") for name in expected)
    assert data_files(table.uri) == set(latest.files())


@pytest.mark.parametrize("spare_pages", [0, 1, 2], ids=["first-file", "second-file", "log"])
def test_a_full_disk_leaves_no_version_and_no_file(
    tiny_disk: Path, schema: pl.Schema, events: Events, spare_pages: int
) -> None:
    table = create_table(str(tiny_disk / "t"), schema, name="t", partition_by="event_date")
    before = table.append(events("a"), fence="ingest")
    filler = tiny_disk / "filler"
    filler.write_bytes(bytes(shutil.disk_usage(tiny_disk).free - spare_pages * 4096))
    two_days = pl.concat([events("b"), events("c", day=1), events("d", day=2)])

    with pytest.raises((OSError, pl.exceptions.ComputeError), match="No space left"):
        before.append(two_days, fence="ingest")

    assert data_files(table.uri) == set(before.files())
    assert open_version(table.uri).version == before.version
    filler.unlink()
    assert before.append(two_days, fence="ingest").rows == 4


def test_a_write_denied_midway_passes_as_it_is_and_removes_what_was_staged(
    table: Pinned, events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    put: Callable[..., int] = StagedFiles._put

    def deny_second_day(staged: StagedFiles, part: pl.DataFrame, full: str, *, statistics: bool) -> int:
        if "event_date=2026-01-02" in full:
            raise PermissionError(13, "Permission denied", full)
        return put(staged, part, full, statistics=statistics)

    monkeypatch.setattr(StagedFiles, "_put", deny_second_day)

    with pytest.raises(PermissionError, match="event_date=2026-01-02"):
        table.append(pl.concat([events("a"), events("b", day=2)]), fence="ingest")

    assert data_files(table.uri) == set()
    assert open_version(table.uri).version == 0


def test_a_commit_whose_answer_got_lost_counts_as_committed(
    table: Pinned, events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit: Callable[..., None] = DeltaTable.create_write_transaction

    def commit_then_fail(*arguments: object, **options: object) -> None:
        commit(*arguments, **options)
        raise OSError("connection reset")

    monkeypatch.setattr(DeltaTable, "create_write_transaction", commit_then_fail)
    after = table.append(events("a"), fence="ingest")

    assert (after.version, after.scan().collect()["event_id"].to_list()) == (1, ["a"])


def test_files_stay_while_nobody_can_tell_whether_the_commit_landed(
    table: Pinned, events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit: Callable[..., None] = DeltaTable.create_write_transaction

    def commit_then_lose_the_lake(*arguments: object, **options: object) -> None:
        commit(*arguments, **options)
        monkeypatch.setattr("churn.lake.opening.DeltaTable", _Unreachable)
        raise OSError("connection reset")

    monkeypatch.setattr(DeltaTable, "create_write_transaction", commit_then_lose_the_lake)
    with pytest.raises(OSError, match="connection reset"):
        table.append(events("a"), fence="ingest")
    monkeypatch.undo()

    assert open_version(table.uri).scan().collect()["event_id"].to_list() == ["a"]


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_after_the_commit_never_takes_its_files(
    table: Pinned, events: Events, monkeypatch: pytest.MonkeyPatch, interrupt: type[BaseException]
) -> None:
    commit: Callable[..., None] = DeltaTable.create_write_transaction

    def commit_then_interrupt(*arguments: object, **options: object) -> None:
        commit(*arguments, **options)
        raise interrupt

    monkeypatch.setattr(DeltaTable, "create_write_transaction", commit_then_interrupt)
    with pytest.raises(interrupt):
        table.append(events("a"), fence="ingest")

    assert open_version(table.uri).scan().collect()["event_id"].to_list() == ["a"]


class _Unreachable:
    def __init__(self, *_: object, **__: object) -> None:
        raise OSError("no route to host")
