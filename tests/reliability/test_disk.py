"""A full disk and denied rights: a clear refusal, nothing half-written, and a next run that completes."""

import gc
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import pytest
from deltalake import DeltaTable

from churn.errors import ChurnError
from churn.ingestion import journal
from churn.lake.files import StagedFiles
from churn.privacy.subjects import SubjectMap
from tests.reliability.scenario import check_lake, upload_dirty_hours
from tests.world import START, World, world_in

HOURS = 2
NOW = START.replace(hour=START.hour + HOURS)
NOBODY = 65534


@pytest.fixture
def small_disk(tmp_path: Path, service_missing: Callable[[str], NoReturn]) -> Iterator[Path]:
    place = tmp_path / "lake"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "none", str(place)]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        service_missing("mounting a small disk needs root")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def fill(disk: Path, spare: int) -> Path:
    """Leave so many bytes free."""
    filler = disk / ".filler"
    filler.write_bytes(bytes(shutil.disk_usage(disk).free - spare))
    return filler


def refusal(world: World) -> str:
    with pytest.raises(ChurnError) as refused:
        world.ingest(NOW)
    shown = str(refused.getrepr(style="long", showlocals=False)) + str(refused.value)
    assert "part-" not in str(refused.value)
    assert not re.search(r"\bc[0-9]+\b", str(refused.value))
    assert "During handling" not in shown
    return str(refused.value)


STEPS: dict[str, tuple[Any, str]] = {
    "subject map": (SubjectMap, "_resolve"),
    "table": (DeltaTable, "create"),
    "staged Parquet": (StagedFiles, "write"),
    "commit": (DeltaTable, "create_write_transaction"),
    "journal": (journal, "catch_up"),
}


@pytest.mark.parametrize(
    ("step", "call"),
    # The journal is written once in a run of so few batches.
    [(step, call) for step in STEPS for call in (1, 3) if (step, call) != ("journal", 3)],
)
def test_a_disk_that_fills_up_stops_the_run_and_the_next_one_completes(
    small_disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, call: int
) -> None:
    world = world_in(tmp_path, batch_objects=2)
    expected = upload_dirty_hours(world, HOURS)
    owner, name = STEPS[step]
    original = getattr(owner, name)
    calls = 0

    def full(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == call:
            fill(small_disk, 0)
        return original(*args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, staticmethod(full) if name == "create" else full)
        message = refusal(world)

    assert calls >= call
    assert str(small_disk) in message
    (small_disk / ".filler").unlink()
    world.ingest(NOW)
    check_lake(world, expected)


@pytest.mark.parametrize("spare_pages", [1, 2, 3, 5, 8, 13])
def test_a_disk_with_little_room_left(small_disk: Path, tmp_path: Path, spare_pages: int) -> None:
    world = world_in(tmp_path, batch_objects=2)
    expected = upload_dirty_hours(world, HOURS)
    filler = fill(small_disk, spare_pages * 4096)

    refusal(world)

    filler.unlink()
    world.ingest(NOW)
    check_lake(world, expected)


@pytest.fixture(scope="module", autouse=True)
def few_objects_to_collect() -> Iterator[None]:
    """Collecting all garbage before each test takes half a second where other tests have left much in memory."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@contextmanager
def as_nobody() -> Iterator[None]:
    """Drop the rights of root, before whom nothing is forbidden."""
    user = os.geteuid()
    gc.collect()  # earlier tests left temporary folders, which nobody could not remove
    gc.disable()
    if user == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(user)
        gc.enable()


def own(folder: Path) -> None:
    """Give everything below to the one who runs the ingestion."""
    if os.geteuid() == 0:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, NOBODY, NOBODY)


@pytest.fixture
def reachable(tmp_path: Path) -> Path:
    """A folder whose parents everybody may pass."""
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == os.geteuid() and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o055)
    return tmp_path


@pytest.mark.parametrize("place", ["landing", "landing/activity", "landing/activity/dt=2026-03-01/hour=11"])
def test_a_landing_zone_that_may_not_be_read(reachable: Path, place: str) -> None:
    world = world_in(reachable, batch_objects=2)
    expected = upload_dirty_hours(world, HOURS)
    own(reachable)
    (reachable / place).chmod(0o000)

    with as_nobody():
        message = refusal(world)
    (reachable / place).chmod(0o755)

    assert "permission denied" in message
    assert world.rows().is_empty()
    world.ingest(NOW)
    check_lake(world, expected)


def test_an_object_that_may_not_be_read(reachable: Path) -> None:
    world = world_in(reachable, batch_objects=2)
    expected = upload_dirty_hours(world, HOURS)
    own(reachable)
    closed = reachable / "landing/activity/dt=2026-03-01/hour=11/part-0.jsonl"
    closed.chmod(0o000)

    with as_nobody():
        message = refusal(world)
    closed.chmod(0o644)

    assert "permission denied" in message
    world.ingest(NOW)
    check_lake(world, expected)


@pytest.mark.parametrize(
    "place", [".", "activity", "activity/_delta_log", "journal/_delta_log", "subjects", "quarantine"]
)
@pytest.mark.parametrize("mode", [0o500, 0o000])
def test_a_lake_that_may_not_be_written_or_read(reachable: Path, place: str, mode: int) -> None:
    world = world_in(reachable, batch_objects=2)
    expected = upload_dirty_hours(world, HOURS)
    world.ingest()
    before = world.rows().sort("event_id")
    own(reachable)
    closed = reachable / "lake" / place
    inside = [closed, *(path for path in closed.rglob("*") if path.is_dir())]
    for path in inside:
        path.chmod(mode)

    with as_nobody():
        message = refusal(world)
    for path in inside:
        path.chmod(0o755)

    assert str(reachable / "lake") in message
    assert set(before["event_id"]) <= set(world.rows()["event_id"])
    world.ingest(NOW)
    check_lake(world, expected)
