"""Hourly runs, one after the other in one process: `python -m benchmarks.latency LANDING OUT HOURS [--upkeep]`."""

import json
import logging
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks.generate import START
from benchmarks.ours import ingestion
from churn.ingestion.batch import BatchWriter
from churn.lake.upkeep import upkeep
from churn.settings import UpkeepSettings

AROUND = 5
"""Runs on either side that go into a median."""


@dataclass
class Meter:
    """Seconds of wall clock and CPU, one pair per hour."""

    spent: list[tuple[float, float]] = field(default_factory=list)

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Measure the body."""
        wall, cpu = time.perf_counter(), time.process_time()
        yield
        self.spent.append((time.perf_counter() - wall, time.process_time() - cpu))

    def around(self, hour: int) -> tuple[float, float]:
        """Return the median wall and CPU seconds about the given hour."""
        near = self.spent[hour - AROUND : hour + AROUND]
        return statistics.median(wall for wall, _ in near), statistics.median(cpu for _, cpu in near)


def hourly_runs(landing: Path, lake: Path, hours: int, *, daily_upkeep: bool) -> dict[str, Meter]:
    """Ingest hour by hour and return what each whole run cost, and the commit in it.

    The commit is everything from validated rows to a new version: tokens, deduplication, quarantine, files, log. The
    whole run also lists the landing zone and reads the journal. Upkeep is part of neither.
    """
    job = ingestion(landing, lake)
    run, commit = Meter(), Meter()
    write = BatchWriter.write

    def measured_write(self: BatchWriter, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - as the original
        with commit.measured():
            return write(self, *args, **options)

    BatchWriter.write = measured_write  # type: ignore[method-assign]
    for number in range(1, hours + 1):
        with run.measured():
            job.run(now=START + timedelta(hours=number), run_id=f"hour-{number}")
        if daily_upkeep and number % 24 == 0:
            upkeep(str(lake), UpkeepSettings(), datetime.now(UTC))
    return {"run": run, "commit": commit}


def main() -> None:
    """Print medians around the tenth hour and around the last but twenty."""
    landing, out, hours, *options = sys.argv[1:]
    logging.disable()
    meters = hourly_runs(Path(landing), Path(out), int(hours), daily_upkeep="--upkeep" in options)
    late = int(hours) - 20
    figures: dict[str, float] = {"late": late}
    for name, meter in meters.items():
        for when, hour in (("early", 10), ("late", late)):
            figures[f"{name}_{when}_wall"], figures[f"{name}_{when}_cpu"] = meter.around(hour)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
