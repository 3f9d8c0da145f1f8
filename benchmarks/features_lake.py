"""The lake that features are measured on: `python -m benchmarks.features_lake EVENTS HOURS` prints where it is.

It is ingested by the platform from the generator's landing zone and kept between runs, with three snapshots beside it:
`full.json`, `hour.json` with one landing hour more and `day.json` with 24.
"""

import json
import os
import shutil
import sys
from datetime import timedelta
from pathlib import Path

from benchmarks.generate import START, Plan, cache_folder, cached
from benchmarks.ours import ingestion
from churn.lake.snapshot import take_snapshot

LATER = {"full": 0, "hour": 1, "day": 24}
"""Landing hours beyond the full build."""


def feature_lake(events: int, hours: int, folder: Path) -> Path:
    """Return the lake below `folder`, making it first when it is not there."""
    lake = folder / f"features-{events}-{hours}"
    if not (lake / "day.json").exists():
        most = hours + max(LATER.values())
        plan = Plan(events=round(events * most / hours), customers=max(1, events // 50), hours=most)
        landing = cached(plan, "parquet", folder)
        shutil.rmtree(lake, ignore_errors=True)
        job = ingestion(landing, lake)
        for name, more in LATER.items():
            job.run(now=START + timedelta(hours=hours + more), run_id=f"features-{name}")
            written = lake / f".{name}.{os.getpid()}"
            written.write_text(take_snapshot(str(lake), ["activity"]).model_dump_json(), encoding="utf-8")
            written.replace(lake / f"{name}.json")
    return lake


def main() -> None:
    """Make the lake that the arguments describe and print where it is."""
    events, hours = map(int, sys.argv[1:3])
    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    print(json.dumps({"lake": str(feature_lake(events, hours, folder))}))


if __name__ == "__main__":
    main()
