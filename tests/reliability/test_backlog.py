"""A backlog of thousands of hours is taken in bounded batches, and its size does not show in the memory."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from churn.hours import HOUR
from churn.ingestion import journal
from churn.lake.table import open_version
from churn.landing.zone import LandingZone
from tests.world import START, make_event, world_in

ROWS = 300
BATCH_OBJECTS = 100

PROGRAM = """
import resource, sys
from datetime import datetime
from pathlib import Path
from tests.world import world_in

report = world_in(Path(sys.argv[1]), batch_objects=int(sys.argv[2])).ingest(datetime.fromisoformat(sys.argv[3]))
print(report.streams[0].batches, report.counts.appended, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def ingest_backlog(folder: Path, project_root: Path, hours: int) -> tuple[int, int]:
    """Ingest one object per hour in a process of its own; return batches and its peak memory in MiB."""
    world = world_in(folder)
    zone = LandingZone(world.settings.landing.url)
    for hour in range(hours):
        start = START + hour * HOUR
        rows = (
            make_event(hour * ROWS + row, event_time=start.isoformat(), customer_id=f"c{row * 7 % 61}")
            for row in range(ROWS)
        )
        zone.write("activity", start, "part-0.jsonl", "".join(json.dumps(row) + "\n" for row in rows).encode())
    end = (START + hours * HOUR).isoformat()
    command = [sys.executable, "-c", PROGRAM, str(folder), str(BATCH_OBJECTS), end]
    environment = {**os.environ, "PYTHONPATH": str(project_root), "POLARS_MAX_THREADS": "2"}
    done = subprocess.run(command, capture_output=True, text=True, cwd=project_root, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    batches, appended, kibibytes = map(int, done.stdout.split())
    assert appended == hours * ROWS
    assert journal.totals(world.lake).row(0)[1:] == (hours, appended, appended, 0, 0)
    assert open_version(f"{world.lake}/activity").fence(journal.FENCE) == batches
    return batches, kibibytes // 1024


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_two_thousand_hours_take_no_more_memory_than_three_hundred(tmp_path: Path, project_root: Path) -> None:
    few, small = ingest_backlog(tmp_path / "few", project_root, 300)
    many, large = ingest_backlog(tmp_path / "many", project_root, 2000)

    assert (few, many) == (3, 20)
    assert large <= 1.25 * small, f"{small} MiB for 300 objects, {large} MiB for 2,000"
