"""The state of a lake, now and at moments that have passed."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from churn.ingestion.overview import lake_state
from tests.world import START, make_event, world_in

HOUR = timedelta(hours=1)


def test_a_lake_that_is_not_there_has_nothing(tmp_path: Path) -> None:
    state = lake_state(str(tmp_path / "lake"))
    assert (state.tables, state.streams) == ((), ())


def test_the_state_of_a_moment_is_what_was_committed_by_then(tmp_path: Path) -> None:
    world = world_in(tmp_path)
    before = datetime.now(UTC)
    world.upload([make_event(1), make_event(2, customer_id=None)])
    world.ingest(START + HOUR)
    first = lake_state(world.lake)
    committed = max(table.changed_at for table in first.tables)
    world.upload([make_event(3), make_event(3)], hour=START + HOUR)
    world.ingest(START + 2 * HOUR)

    now = lake_state(world.lake)
    then = lake_state(world.lake, committed + timedelta(milliseconds=1))

    assert lake_state(world.lake, before - HOUR).tables == ()
    assert lake_state(world.lake, datetime(2001, 1, 1, tzinfo=UTC)).streams == ()
    rows = {table.table: table.rows for table in now.tables}
    assert rows["activity"] == 2
    assert then.tables == first.tables
    assert {table.table: table.rows for table in then.tables}["activity"] == 1
    [stream] = now.streams
    assert (stream.read, stream.appended, stream.duplicate, stream.quarantined) == (4, 2, 1, 1)
    assert stream.closed_until == START + 2 * HOUR
