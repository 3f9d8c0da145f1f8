"""`available_at` never says that a row was knowable before it could have been read."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from churn.ingestion.batch import BatchWriter
from churn.ingestion.pieces import Piece
from churn.ingestion.report import ObjectReport
from churn.lake.table import Pinned
from tests.world import START, World, make_event

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
        writer: BatchWriter, pieces: list[Piece], *, closed_until: datetime | None, differences: list[str]
    ) -> tuple[Pinned, tuple[ObjectReport, ...]]:
        if pieces[0].landed.hour > START:
            raise KeyboardInterrupt
        return write(writer, pieces, closed_until=closed_until, differences=differences)

    monkeypatch.setattr(BatchWriter, "write", first_then_stop)
    with pytest.raises(KeyboardInterrupt):
        world.ingest(START + 3 * HOUR)
    monkeypatch.undo()

    world.upload([make_event(0), make_event(9)])
    world.ingest(START + 30 * HOUR)

    assert available_at(world, "e9") == START + 30 * HOUR
    assert available_at(world, "e2") == START + 3 * HOUR
