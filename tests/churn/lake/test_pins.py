import multiprocessing
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from churn.errors import ChurnError, SnapshotError
from churn.lake.pins import pin, pinned_versions, unpin
from churn.lake.snapshot import DataSnapshot, take_snapshot
from churn.lake.table import Pinned, open_table, open_version

Events = Callable[..., pl.DataFrame]
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def _pin(arguments: tuple[str, DataSnapshot, str]) -> None:
    lake, snapshot, by = arguments
    pin(lake, snapshot, by, NOON)


def test_a_version_stays_pinned_until_its_last_holder_lets_go(lake: str, table: Pinned, events: Events) -> None:
    old = take_snapshot(lake)
    table.append(events("a"), fence="ingest")
    new = take_snapshot(lake)

    pin(lake, old, "model-1", NOON)
    pin(lake, old, "model-2", NOON)
    pin(lake, new, "model-2", NOON)
    assert pinned_versions(lake, "activity") == [0, 1]

    unpin(lake, "model-2", NOON)
    assert pinned_versions(lake, "activity") == [0]
    unpin(lake, "model-1", NOON)
    assert pinned_versions(lake, "activity") == []
    pin(lake, new, "model-2", NOON)
    assert pinned_versions(lake, "activity") == [1]
    assert pinned_versions(lake, "customers") == []


def test_pinning_and_unpinning_twice_writes_once(lake: str, table: Pinned) -> None:
    snapshot = take_snapshot(lake)
    for _ in range(2):
        pin(lake, snapshot, "model-1", NOON)
    assert open_version(f"{lake}/pins").rows == 1
    for _ in range(2):
        unpin(lake, "model-1", NOON)
    written = open_version(f"{lake}/pins").scan(["sequence", "action", "at"]).sort("sequence").collect()
    assert written.rows() == [(1, "pin", NOON), (2, "unpin", NOON)]


def test_holders_that_pin_at_once_all_hold(lake: str, table: Pinned) -> None:
    snapshot = take_snapshot(lake)
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        pool.map(_pin, [(lake, snapshot, f"model-{number}") for number in range(2)])

    for number in range(2):
        assert pinned_versions(lake, "activity") == [0]
        unpin(lake, f"model-{number}", NOON)
    assert pinned_versions(lake, "activity") == []


def test_a_snapshot_that_cannot_be_read_is_not_pinned(lake: str, table: Pinned, events: Events) -> None:
    after = table.append(events("a"), fence="ingest")
    snapshot = take_snapshot(lake)
    Path(after.files()[0]).unlink()

    with pytest.raises(SnapshotError, match="missing"):
        pin(lake, snapshot, "model-1", NOON)

    assert pinned_versions(lake, "activity") == []


def test_a_snapshot_is_pinned_in_its_own_lake(lake: str, table: Pinned, tmp_path: Path) -> None:
    with pytest.raises(SnapshotError, match="not in the lake"):
        pin(str(tmp_path / "other"), take_snapshot(lake), "model-1", NOON)
    assert open_table(f"{lake}/pins") is None


def test_pins_that_cannot_be_read_are_an_error_not_none(lake: str, table: Pinned) -> None:
    pin(lake, take_snapshot(lake), "model-1", NOON)
    Path(lake, "pins", "_delta_log", f"{1:020}.json").write_text("{broken")

    with pytest.raises(ChurnError, match="pins: the latest version cannot be opened"):
        pinned_versions(lake, "activity")
