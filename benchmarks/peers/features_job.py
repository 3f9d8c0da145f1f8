"""What programs that compute features by hand share: `python -m PROGRAM LAKE OUT` reads one, writes the other."""

import json
import sys
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path

import polars as pl

from churn.features.cutoffs import plan_cutoffs
from churn.features.settings import FeatureSettings
from churn.lake.snapshot import DataSnapshot

SETTINGS = FeatureSettings(horizon_days=7, active_days=30, min_history_days=8, max_train_cutoffs=1)
"""Three labelled cutoffs and the one to score inside of thirty days, windows of a week."""

RESULT = "features.parquet"

Files = Callable[[list[str], Mapping[date, bool]], pl.DataFrame]


def snapshot(lake: Path, name: str = "full") -> DataSnapshot:
    """Read which version of the lake is meant: `full`, or with an `hour` or a `day` more."""
    return DataSnapshot.model_validate_json((lake / f"{name}.json").read_text(encoding="utf-8"))


def run(features: Files) -> None:
    """Compute the features of the lake that the arguments name and write them to one Parquet file."""
    lake, out = map(Path, sys.argv[1:3])
    activity = snapshot(lake).open("activity")
    ends = activity.scan(["available_at", "event_time"]).select(
        pl.col("available_at").max(), pl.col("event_time").min()
    )
    watermark, first = ends.collect().row(0)
    cutoffs = plan_cutoffs(first.date(), watermark, SETTINGS)
    frame = features(activity.files(), {day: day in cutoffs.labelled for day in cutoffs.all})
    out.mkdir(parents=True)
    frame.write_parquet(out / RESULT, compression="zstd", compression_level=1)
    print(json.dumps({"rows": frame.height}))
