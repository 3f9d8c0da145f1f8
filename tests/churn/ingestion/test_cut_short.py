"""Runs that are cut short: what the lake and the journal hold then, and after the next run."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from churn.errors import TooManyBadRows
from churn.ingestion import journal, quarantine
from churn.ingestion.batch import BatchWriter
from churn.ingestion.stream_run import JOURNAL_EVERY
from churn.lake.failures import LakeFailed
from churn.lake.table import open_table
from churn.landing.zone import LandingObject, LandingZone
from tests.world import activity, world_in

if TYPE_CHECKING:
    from tests.churn.ingestion.conftest import World

Event = Callable[..., dict[str, object]]


def test_a_journal_that_lags_is_brought_up_to_date(
    world: "World", event: Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.upload([event(0)])
    with monkeypatch.context() as patched:
        patched.setattr(journal, "catch_up", lambda *_: None)
        world.ingest()
    assert open_table(journal.journal_url(world.lake)) is None

    report = activity(world.ingest())

    assert report.objects == ()
    assert journal.totals(world.lake).rows() == [("activity", 1, 1, 1, 0, 0)]


def test_a_run_that_stops_half_way_leaves_no_commit_out_of_the_journal(
    tmp_path: Path, event: Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = world_in(tmp_path, batch_objects=1)
    for number in range(3):
        world.upload([event(number), event(number + 10, customer_id=None)], name=f"part-{number}.jsonl")
    write, calls = BatchWriter.write, list[BatchWriter]()

    def stop_at_the_third(self: BatchWriter, *args: Any, **kwargs: Any) -> Any:
        calls.append(self)
        if len(calls) == 3:
            raise TooManyBadRows("activity: enough")
        return write(self, *args, **kwargs)

    monkeypatch.setattr(BatchWriter, "write", stop_at_the_third)
    with pytest.raises(TooManyBadRows, match="enough"):
        world.ingest()

    assert journal.totals(world.lake).rows() == [("activity", 2, 4, 2, 0, 2)]
    assert quarantine.open_rows(world.lake).height == 2


def test_the_journal_follows_a_long_run_and_holds_every_commit_once(tmp_path: Path, event: Event) -> None:
    world = world_in(tmp_path, batch_objects=1)
    batches = 2 * JOURNAL_EVERY + 1
    for number in range(batches):
        world.upload([event(number)], name=f"part-{number}.jsonl")

    world.ingest()

    book = open_table(journal.journal_url(world.lake))
    assert book is not None
    assert book.version == 3
    assert book.fence("journal:activity") == batches
    assert sorted(world.rows("journal")["ingest_seq"]) == list(range(1, batches + 1))


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_an_object_that_cannot_be_read_keeps_nothing_before_it_out_of_the_lake(
    tmp_path: Path, event: Event, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    world = world_in(tmp_path, batch_objects=2)
    for number in range(10):
        row = event(number)
        text = f"{','.join(row)}\n{','.join(map(str, row.values()))}\n".encode()
        world.upload(text if form == "csv" else [row], f"part-{number}.{form}")
    read = LandingZone.read

    def failing(zone: LandingZone, landed: LandingObject, most: int) -> tuple[LandingObject, bytes]:
        if "part-8" in landed.path:
            raise OSError("the storage is away")
        return read(zone, landed, most)

    with monkeypatch.context() as patch:
        patch.setattr(LandingZone, "read", failing)
        with pytest.raises(LakeFailed):
            world.ingest()

    assert world.rows().height == 6
    world.ingest()
    assert world.rows().height == 10
