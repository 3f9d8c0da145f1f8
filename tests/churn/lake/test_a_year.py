import time
from datetime import UTC, datetime, timedelta
from statistics import median

import polars as pl
import pytest

from churn.lake.create import create_table
from churn.lake.pins import pin
from churn.lake.snapshot import take_snapshot
from churn.lake.table import Pinned, open_version
from churn.lake.upkeep import upkeep
from churn.settings import UpkeepSettings

START = datetime(2026, 1, 1, tzinfo=UTC)
SCHEMA = pl.Schema([("event_id", pl.Int64()), ("event_date", pl.Date()), ("ingest_seq", pl.Int64())])
LOOSE = 4.0
"""Wide enough for a busy machine: it catches latency that grows with the log, not a slow disk."""


@pytest.mark.parametrize(
    ("hours", "slack"),
    # After a year each append lists a log of some 10,000 entries.
    [(300, 0.02), pytest.param(8760, 0.2, marks=[pytest.mark.slow, pytest.mark.timeout(3600)])],
)
def test_hourly_commits_for_a_long_time_keep_old_versions_and_stay_quick(lake: str, hours: int, slack: float) -> None:
    table = create_table(f"{lake}/activity", SCHEMA, name="activity", partition_by="event_date")
    settings = UpkeepSettings()
    seconds = []

    for hour in range(hours):
        moment = START + timedelta(hours=hour)
        frame = pl.DataFrame([(hour, moment.date(), hour + 1)], schema=SCHEMA, orient="row")
        began = time.perf_counter()
        table = table.append(frame, fence="ingest", transactions=[f"object:{hour}"])
        seconds.append(time.perf_counter() - began)
        if hour == 9:
            snapshot = take_snapshot(lake)
            pin(lake, snapshot, "model-1", moment)
        if moment.hour == 23:
            upkeep(lake, settings, moment)
            table = open_version(table.uri)

    assert ids(snapshot.open("activity")) == list(range(10))
    assert ids(open_version(table.uri)) == list(range(hours))
    fences = {"ingest", "compaction"}
    assert (table.fence("ingest"), len(table.transactions)) == (hours, hours + len(fences))
    first, last = median(seconds[5:25]), median(seconds[-20:])
    print(f"append at version 10: {first * 1e3:.1f} ms, at version {table.version}: {last * 1e3:.1f} ms")
    assert last < LOOSE * first + slack


def ids(table: Pinned) -> list[int]:
    return sorted(table.scan(["event_id"]).collect()["event_id"])
