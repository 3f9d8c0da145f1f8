"""`available_at` never says that a row was knowable before it could have been read."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from churn.ingestion import journal, quarantine
from churn.ingestion.availability import Availability
from churn.ingestion.batch import BatchWriter
from churn.ingestion.pieces import Piece
from churn.ingestion.report import ObjectReport
from churn.lake.table import Pinned
from churn.landing.zone import LandingZone
from tests.world import START, World, make_event, world_in

HOUR = timedelta(hours=1)


def available_at(world: World, event_id: str) -> object:
    return world.rows().filter(pl.col("event_id") == event_id)["available_at"].item()


def test_a_clock_that_is_behind_puts_no_row_into_an_hour_already_closed(world: World) -> None:
    world.upload([make_event(0)])
    world.ingest(START + 6 * HOUR)

    world.upload([make_event(1)], "part-1.jsonl")
    world.ingestion(clock=lambda: START + 9 * HOUR).run(now=START + 2 * HOUR, run_id="behind")

    assert available_at(world, "e1") == START + 6 * HOUR


def test_an_hour_closed_by_mistake_in_the_far_future_hides_no_row_until_then(world: World) -> None:
    world.upload([make_event(0)])
    world.ingest(datetime(2999, 1, 1, tzinfo=UTC))

    world.upload([make_event(1)], "part-1.jsonl")
    world.ingestion(clock=lambda: START + 9 * HOUR).run(now=START + 9 * HOUR, run_id="mended")

    assert available_at(world, "e1") == START + 9 * HOUR


def test_an_object_replaced_after_an_interrupted_backlog_took_it_is_late(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = world.with_ingestion(batch_objects=1)
    for number in range(3):
        world.upload([make_event(number)], f"part-{number}.jsonl", START + number * HOUR)
    write = BatchWriter.write

    def first_then_stop(
        writer: BatchWriter, pieces: list[Piece], availability: Availability, **rest: Any
    ) -> tuple[Pinned, tuple[ObjectReport, ...]]:
        if pieces[0].landed.hour > START:
            raise KeyboardInterrupt
        return write(writer, pieces, availability, **rest)

    monkeypatch.setattr(BatchWriter, "write", first_then_stop)
    with pytest.raises(KeyboardInterrupt):
        world.ingest(START + 3 * HOUR)
    monkeypatch.undo()

    world.upload([make_event(0), make_event(9)])
    world.ingest(START + 30 * HOUR)

    assert available_at(world, "e9") == START + 30 * HOUR
    assert available_at(world, "e2") == START + 3 * HOUR


def interrupt(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, other: Callable[[], object]) -> None:
    """Let another ingester run once, right before the next call."""
    call = getattr(owner, name)

    def after_the_other(*arguments: Any, **named: Any) -> Any:
        monkeypatch.setattr(owner, name, call)
        other()
        return call(*arguments, **named)

    monkeypatch.setattr(owner, name, after_the_other)


def closing(world: World, hours: int) -> Callable[[], object]:
    """Make another ingester that reads the first hours through and sees none of the objects that lie there now."""

    def close() -> None:
        landing, hidden = world.root / "landing", world.root / "hidden"
        landing.rename(hidden)
        world_in(world.root).ingest(START + hours * HOUR)
        hidden.rename(landing)

    return close


INTERLEAVINGS = [
    (journal, "read_stream"),
    (LandingZone, "objects"),
    (LandingZone, "read"),
    (BatchWriter, "write"),
    (quarantine, "add"),
    (BatchWriter, "_stamped"),
]


@pytest.mark.parametrize("backfill", [False, True], ids=["hourly", "backfill"])
@pytest.mark.parametrize(("owner", "name"), INTERLEAVINGS, ids=[name for _, name in INTERLEAVINGS])
def test_an_hour_that_another_ingester_closes_meanwhile_gets_no_row_unless_in_a_backfill(
    world: World, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, backfill: bool
) -> None:
    world.upload([make_event(0)], "first.jsonl", START - HOUR)
    world.ingest(START)
    world.upload([make_event(1), make_event(2, customer_id=None)])
    interrupt(monkeypatch, owner, name, closing(world, 6))

    report = world.ingest(START + HOUR, backfill=backfill)

    expected = START + (HOUR if backfill else 6 * HOUR)
    assert available_at(world, "e1") == expected
    assert [item.available_at for item in report.streams[0].objects] == [expected]
    entries = world.rows("journal").filter(source_file="activity/dt=2026-03-01/hour=10/part-0.jsonl")
    assert entries["available_at"].to_list() == [expected]


def test_rows_replayed_while_another_ingester_closes_an_hour_are_not_dated_into_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.upload([make_event(0, event_time=(START + timedelta(minutes=59)).isoformat())])
    world.with_ingestion(allowed_skew=-timedelta(minutes=30)).ingest()
    interrupt(monkeypatch, BatchWriter, "_stamped", closing(world, 6))

    world.ingestion().replay_quarantine(now=START + 2 * HOUR, run_id="replay")

    assert available_at(world, "e0") == START + 6 * HOUR


def test_what_replaces_an_object_that_another_ingester_takes_meanwhile_is_late(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.upload([make_event(0), make_event(9)])
    world.upload([make_event(5)], "part-1.jsonl")
    path = next((world.root / "landing").rglob("part-0.jsonl"))
    write = BatchWriter.write

    def first_batch_only(writer: BatchWriter, pieces: list[Piece], *rest: Any, **named: Any) -> Any:
        if pieces[0].source_file.endswith("part-1.jsonl"):
            raise KeyboardInterrupt
        return write(writer, pieces, *rest, **named)

    def take_another_version_and_stop() -> None:
        ours = path.rename(world.root / "ours")
        world.upload([make_event(0)])
        other = world_in(world.root, batch_objects=1)
        monkeypatch.setattr(BatchWriter, "write", first_batch_only)
        with pytest.raises(KeyboardInterrupt):
            other.ingest()
        monkeypatch.setattr(BatchWriter, "write", write)
        ours.rename(path)

    interrupt(monkeypatch, BatchWriter, "_stamped", take_another_version_and_stop)
    world.ingest(START + 4 * HOUR)

    assert available_at(world, "e9") == START + 4 * HOUR
    assert available_at(world, "e5") == START + HOUR
