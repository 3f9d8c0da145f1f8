import json
import random
import shutil
import time
from pathlib import Path

import pytest

from tests.reliability.ingester import Ingesters
from tests.reliability.killable import KILLED
from tests.reliability.scenario import Expected, check_lake, upload_dirty_hours, versions
from tests.world import START, World, world_in

SEED = 20260301


@pytest.fixture(scope="module")
def ingesters() -> Ingesters:
    return Ingesters()


def boundaries(ingesters: Ingesters, world: World, hours: int) -> list[str]:
    """Names of the boundaries an undisturbed run passes."""
    assert ingesters.finish(ingesters.start(world, hours, crash_at=-1)) == 0, (world.root / "log").read_text()[-2000:]
    passed: list[str] = json.loads((world.root / "passed.json").read_text())
    return passed


def complete(world: World, expected: Expected) -> None:
    """Run to the end, check everything, and once more: nothing may change."""
    now = START.replace(hour=START.hour + expected.hours)
    world.ingest(now)
    check_lake(world, expected)
    before = versions(world)
    assert world.ingest(now).counts.read == 0
    assert versions(world) == before


def test_an_undisturbed_run_passes_every_kind_of_boundary(ingesters: Ingesters, tmp_path: Path) -> None:
    world = world_in(tmp_path, batch_objects=3)
    expected = upload_dirty_hours(world, 2)

    passed = boundaries(ingesters, world, 2)

    kinds = {"objects", "read", "tokenise", "add", "append", "catch_up", "write", "_put", "create"}
    kinds.add("create_write_transaction")
    assert {f"{when} {name}" for when in ("before", "after") for name in kinds} <= set(passed)
    complete(world, expected)


def test_killed_again_and_again_on_the_way(ingesters: Ingesters, tmp_path: Path) -> None:
    hours = 2
    world = world_in(tmp_path, batch_objects=3)
    expected = upload_dirty_hours(world, hours)
    chance = random.Random(SEED)

    codes = [
        ingesters.finish(ingesters.start(world, hours, crash_at=chance.randrange(10 + 12 * round)))
        for round in range(8)
    ]

    assert codes.count(KILLED) >= 5
    complete(world, expected)


def test_killed_at_random_times(ingesters: Ingesters, tmp_path: Path) -> None:
    kill_at_random_times(ingesters, tmp_path, kills=4, hours=3)


def test_an_ingester_killed_at_one_boundary_loses_and_doubles_nothing(ingesters: Ingesters, tmp_path: Path) -> None:
    kill_at_each_boundary(ingesters, tmp_path, every=45)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_killed_at_every_boundary_between_reading_and_acknowledging(ingesters: Ingesters, tmp_path: Path) -> None:
    assert kill_at_each_boundary(ingesters, tmp_path, every=1) >= 100


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_killed_at_a_hundred_random_times_with_checkpoints_being_written(ingesters: Ingesters, tmp_path: Path) -> None:
    kill_at_random_times(ingesters, tmp_path, kills=100, hours=9)


def kill_at_each_boundary(ingesters: Ingesters, folder: Path, *, every: int) -> int:
    """Crash a fresh lake at each boundary (or every so many), finish in a second process; return the kills."""
    hours = 2
    template = world_in(folder / "template", batch_objects=3)
    expected = upload_dirty_hours(template, hours)
    shutil.copytree(folder / "template", folder / "counted")
    passed = boundaries(ingesters, world_in(folder / "counted", batch_objects=3), hours)
    points = range(0, len(passed), every)
    for point in points:
        place = folder / f"at-{point}"
        shutil.copytree(folder / "template", place)
        world = world_in(place, batch_objects=3)
        assert ingesters.finish(ingesters.start(world, hours, crash_at=point)) == KILLED, passed[point]
        try:
            complete(world, expected)
        except Exception as error:
            error.add_note(f"killed at boundary {point} of {len(passed)}: {passed[point]}")
            raise
        shutil.rmtree(place)
    return len(points)


def kill_at_random_times(ingesters: Ingesters, folder: Path, *, kills: int, hours: int) -> None:
    """Kill ingesters after random delays until each lake is complete; as many lakes as the kills need."""
    measured = world_in(folder / "measured", batch_objects=1)
    expected = upload_dirty_hours(measured, hours)
    started = time.monotonic()
    assert ingesters.finish(ingesters.start(measured, hours)) == 0, (measured.root / "log").read_text()[-2000:]
    undisturbed = time.monotonic() - started
    complete(measured, expected)
    chance = random.Random(SEED)
    lakes, killed = 0, 0
    while killed < kills:
        lakes += 1
        world = world_in(folder / f"lake-{lakes}", batch_objects=1)
        upload_dirty_hours(world, hours)
        while ingesters.crash_after(world, hours, chance.uniform(0, undisturbed / 2)) and killed < kills:
            killed += 1
        complete(world, expected)
        shutil.rmtree(world.root)
