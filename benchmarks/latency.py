"""Hourly runs, one after the other in one process: `python -m benchmarks.latency LANDING OUT HOURS [--upkeep]`."""

import json
import statistics
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.generate import START
from benchmarks.ours import ingestion
from churn.lake.upkeep import upkeep
from churn.settings import UpkeepSettings

AROUND = 5
"""Commits on either side that go into a median."""


def hourly_runs(landing: Path, lake: Path, hours: int, *, daily_upkeep: bool) -> list[tuple[float, float]]:
    """Ingest hour by hour and return wall and CPU seconds of each run; upkeep is not part of them."""
    job = ingestion(landing, lake)
    spent = []
    for number in range(1, hours + 1):
        wall, cpu = time.perf_counter(), time.process_time()
        job.run(now=START + timedelta(hours=number), run_id=f"hour-{number}")
        spent.append((time.perf_counter() - wall, time.process_time() - cpu))
        if daily_upkeep and number % 24 == 0:
            upkeep(str(lake), UpkeepSettings(), datetime.now(UTC))
    return spent


def around(spent: list[tuple[float, float]], commit: int) -> tuple[float, float]:
    """Return the median wall and CPU seconds of the runs about the given commit."""
    near = spent[commit - AROUND : commit + AROUND]
    return statistics.median(wall for wall, _ in near), statistics.median(cpu for _, cpu in near)


def main() -> None:
    """Print medians around the tenth commit and around the last but twenty."""
    landing, out, hours, *options = sys.argv[1:]
    spent = hourly_runs(Path(landing), Path(out), int(hours), daily_upkeep="--upkeep" in options)
    late = len(spent) - 20
    (early_wall, early_cpu), (late_wall, late_cpu) = around(spent, 10), around(spent, late)
    print(
        json.dumps(
            {
                "late": late,
                "early_wall": early_wall,
                "early_cpu": early_cpu,
                "late_wall": late_wall,
                "late_cpu": late_cpu,
            }
        )
    )


if __name__ == "__main__":
    main()
