"""A landing object that changes under the reader: read whole, postponed, or gone, and never a mixture."""

import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl
import pytest

from churn.ingestion import journal
from churn.ingestion.report import Counts
from churn.landing.storage import LocalStorage
from churn.landing.zone import LandingObject, LandingZone
from tests.world import World, make_event

ROWS = 400


def version(number: int) -> bytes:
    """A version of the object: all its rows say which one it is; its length varies."""
    rows = [make_event(row, event_id=f"v{number}-{row}", item_id=f"v{number}") for row in range(ROWS + number % 7)]
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def the_object(world: World) -> Path:
    return next((world.root / "landing").rglob("part-0.jsonl"))


@contextmanager
def uploader(world: World, replace: Callable[[int], object]) -> Iterator[list[int]]:
    """Keep replacing in a thread; the list counts the versions."""
    done = threading.Event()
    count = [0]

    def work() -> None:
        while not done.is_set():
            count[0] += 1
            replace(count[0])

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield count
    finally:
        done.set()
        thread.join()


def test_a_replacing_uploader_never_makes_a_mixture(world: World) -> None:
    versions = [version(number) for number in range(20)]
    world.upload(versions[0])

    with uploader(world, lambda number: world.upload(versions[number % 20])) as count:
        for _ in range(12):
            world.ingest()

    world.ingest()
    assert count[0] > world.runs
    assert_whole_versions(world)
    assert world.ingest().counts == Counts()


def test_an_uploader_that_writes_in_place_never_makes_a_mixture(world: World) -> None:
    """What stands half-written while nobody writes looks like a whole object, so a version may lack its end."""
    versions = [version(number) for number in range(20)]
    world.upload(versions[0])
    path = the_object(world)

    with uploader(world, lambda number: path.write_bytes(versions[number % 20])):
        for _ in range(12):
            world.ingest()

    world.ingest()
    rows = world.rows()
    for name, size in rows.group_by("item_id").len().iter_rows():
        assert size <= ROWS + int(name[1:]) % 7
    ((_, objects, read, appended, duplicate, bad),) = journal.totals(world.lake).rows()
    assert (objects, appended, read) == (1, rows.height, appended + duplicate + bad)


def assert_whole_versions(world: World) -> None:
    """Each version that was taken is there with every row, and the books agree."""
    rows = world.rows()
    sizes = dict(rows.group_by("item_id").len().iter_rows())
    assert sizes == {name: ROWS + int(name[1:]) % 7 for name in sizes}
    ((_, objects, read, appended, duplicate, bad),) = journal.totals(world.lake).rows()
    assert (objects, bad, appended) == (1, 0, rows.height)
    assert read == appended + duplicate
    entries = world.rows("journal").filter(pl.col("status") == "ingested")
    assert entries["object_id"].is_unique().all()


def replace_after_reads(
    world: World, monkeypatch: pytest.MonkeyPatch, act: Callable[[Path], object], times: int
) -> None:
    """Let the uploader act right after each of the next reads of the object, before the reader looks again."""
    read = LocalStorage.read
    left = [times]

    def hooked(storage: LocalStorage, path: str, etag: str) -> bytes:
        data = read(storage, path, etag)
        if path.endswith("part-0.jsonl") and left[0]:
            left[0] -= 1
            act(world.root / "landing" / path)
        return data

    monkeypatch.setattr(LocalStorage, "read", hooked)


def test_an_object_that_will_not_hold_still_is_postponed_and_the_others_are_taken(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.upload(version(0))
    world.upload([make_event(0)], "part-1.jsonl")
    numbers = iter(range(1, 100))
    with monkeypatch.context() as patch:
        replace_after_reads(world, patch, lambda _: world.upload(version(next(numbers))), times=99)
        report = world.ingest()

    assert (report.streams[0].postponed, report.counts) == (1, Counts(read=1, appended=1))

    report = world.ingest()
    last = next(numbers) - 1
    assert (report.streams[0].postponed, report.counts.appended) == (0, ROWS + last % 7)
    assert world.rows()["item_id"].drop_nulls().unique().to_list() == [f"v{last}"]


def test_a_postponed_object_counts_as_known_when_it_was_read(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.upload(version(0))
    with monkeypatch.context() as patch:
        replace_after_reads(world, patch, lambda path: os.utime(path, ns=(1, path.stat().st_mtime_ns + 1)), times=99)
        assert world.ingest().streams[0].postponed == 1

    later = world.now.replace(hour=20)
    world.ingest(later)

    assert world.rows()["available_at"].unique().to_list() == [later]


def test_an_object_replaced_once_is_read_again_at_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.upload(version(0))
    replace_after_reads(world, monkeypatch, lambda _: world.upload(version(1)), times=1)

    assert world.ingest().counts.appended == ROWS + 1
    assert world.rows()["item_id"].unique().to_list() == ["v1"]


def test_an_object_that_vanishes_while_being_read_is_left_out(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.upload(version(0))
    world.upload([make_event(0)], "part-1.jsonl")
    replace_after_reads(world, monkeypatch, Path.unlink, times=1)

    report = world.ingest()

    assert (report.streams[0].postponed, report.counts) == (1, Counts(read=1, appended=1))
    assert world.ingest().streams[0].postponed == 0


@pytest.mark.parametrize("limit", [1_000, 10_000], ids=["too-large", "readable"])
def test_content_that_came_between_listing_and_reading_is_not_noted_as_what_was_listed(
    world: World, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    landing = world.settings.landing.model_copy(update={"max_object_bytes": limit})
    world = World(world.root, world.settings.model_copy(update={"landing": landing}))
    world.upload([make_event(0)])
    path, aside = the_object(world), world.root / "aside"
    listed = LandingZone.objects

    def list_then_replace(zone: LandingZone, stream: str) -> list[LandingObject]:
        items = listed(zone, stream)
        if stream == "activity":
            path.rename(aside)
            path.write_text("".join(json.dumps(make_event(number)) + "\n" for number in range(1, 21)))
        return items

    with monkeypatch.context() as patch:
        patch.setattr(LandingZone, "objects", list_then_replace)
        first = world.ingest().streams[0].objects
    assert [item.bytes for item in first] == [path.stat().st_size]
    aside.rename(path)

    assert world.ingest().counts.appended == 1
    assert "e0" in world.rows()["event_id"]
