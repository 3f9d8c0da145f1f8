"""What one hourly look at the live model costs: `python -m benchmarks.monitoring`; `--write` puts it into the docs.

A window of `--rows` predictions with `--features` features, each of another customer, beside a bundle with its
reference; the imports are not counted. With `--evidently` the thorough look as well.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import numpy as np
import polars as pl

from benchmarks.frames import catalogue, lineage, snapshots, split_frames
from benchmarks.measure import measured
from benchmarks.tables import circumstances, table, written

Result = TypeVar("Result")
PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"
LIMIT = 5.0
"""CPU seconds that the light look may take beyond its imports."""
START = datetime(2026, 3, 2, 6, tzinfo=UTC)
AT = START + timedelta(hours=8)


def main() -> None:
    """Prepare a lake and a bundle, look at them in processes of their own, and print what that took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--features", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--evidently", action="store_true")
    parser.add_argument("--write", action="store_true", help="put the table into docs/benchmarks.md")
    parser.add_argument("--look", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.look:
        print(json.dumps(_look(options.look, options.evidently)))
        return
    with tempfile.TemporaryDirectory() as folder:
        _prepare(Path(folder), options.rows, options.features)
        command = ["-m", "benchmarks.monitoring", "--look", folder] + ["--evidently"] * options.evidently
        rounds = [measured(command) for _ in range(options.rounds)]
    costs = {part: sorted(one.printed[part] for one in rounds)[len(rounds) // 2] for part in rounds[0].printed}
    rows = [[part, f"{cost:.2f}"] for part, cost in costs.items()]
    light = costs["the light look, all of it"]
    rows.append(["peak memory, MiB", f"{max(one.peak for one in rounds):.0f}"])
    printed = table([f"{options.rows:,} predictions × {options.features} features", "CPU s"], rows)
    print(printed)
    print(f"{light:.2f} of at most {LIMIT:.0f} CPU s: {'good' if light <= LIMIT else 'TOO SLOW'}")
    if options.write:
        noted = f"\n{circumstances('python -m benchmarks.monitoring --evidently --write')}\n\n{printed}\n"
        PAGE.write_text(written(PAGE.read_text(encoding="utf-8"), noted, "monitoring"), encoding="utf-8")


def _prepare(folder: Path, rows: int, features: int) -> None:
    from churn.bundle.write import write_bundle
    from churn.contracts.model import load_contract
    from churn.lake.create import create_table
    from churn.training.judge import judge
    from churn.training.settings import TrainingSettings
    from churn.training.train import train_candidates

    settings = TrainingSettings(candidates=("logistic_regression",))
    frames, columns = split_frames(30_000, 6_000, features=features), catalogue(features)
    candidates = train_candidates(frames, columns, settings)
    report = judge(candidates, frames, columns, settings)
    bundle = write_bundle(folder / "bundle", candidates[0], frames, report, settings, lineage(frames))
    asked = snapshots(rows, date(2026, 3, 1), 3, features)
    scores = bundle.predict(asked)
    seconds = np.random.default_rng(1).uniform(0, 6 * 3600, asked.height)
    names = [feature.name for feature in columns]
    contract = load_contract("predictions")
    frame = asked.select(
        event_id=pl.format("e{}", pl.int_range(asked.height)),
        request_id=pl.format("r{}", pl.int_range(asked.height)),
        row=pl.lit(0, pl.Int64),
        customer_id="customer_id",
        event_time=pl.lit(START).cast(pl.Datetime("us", "UTC"))
        + pl.duration(microseconds=pl.lit(pl.Series(seconds * 1e6))),
        deployment=pl.lit("churn"),
        track=pl.lit("stable"),
        model_version=pl.lit("1"),
        bundle_digest=pl.lit(bundle.digest),
        features=pl.struct(names).struct.json_encode(),
        score=pl.Series(scores),
        contacted=pl.Series(scores >= bundle.manifest.threshold),
        latency_ms=pl.lit(1.0),
        available_at=pl.lit(START + timedelta(hours=7)).cast(pl.Datetime("us", "UTC")),
        event_date=pl.lit(START.date()),
    )
    missing = [pl.lit(None, kind).alias(name) for name, kind in contract.schema.items() if name not in frame.columns]
    made = create_table(f"{folder}/lake/predictions", contract.schema, name="predictions", partition_by="event_date")
    made.append(frame.with_columns(missing).select(contract.schema.names()), fence="ingest")


def _look(folder: Path, evidently: bool) -> dict[str, float]:
    costs: dict[str, float] = {}

    def timed(part: str, work: Callable[[], Result]) -> Result:
        started = time.process_time()
        result = work()
        costs[part] = round(time.process_time() - started, 2)
        return result

    import scipy.special  # type: ignore[import-untyped]  # noqa: F401 - an import, not the look

    from churn.bundle.bundle import open_bundle
    from churn.bundle.checked import REFERENCE
    from churn.drift.persistence import drifts
    from churn.drift.window import measure_window
    from churn.monitoring.examination import Examination, Sides, examine
    from churn.monitoring.health import Answers, DataHealth, StreamQuarantine, traffic_of
    from churn.monitoring.judge import judge
    from churn.monitoring.measurement import Live, MeasuredWindow, Measurement, compared, predictions_of, references_of
    from churn.monitoring.predictions import one_a_customer
    from churn.monitoring.record import keep
    from churn.monitoring.settings import MonitoringSettings
    from churn.monitoring.windows import Window

    settings, window = MonitoringSettings(), Window(START, START + timedelta(hours=6))
    began = time.process_time()
    bundle = timed("open the bundle", lambda: open_bundle(folder / "bundle"))
    live = Live("1", bundle, "churn", "churn/churn", START, None, None, lambda window: None)
    references = timed("prepare the reference", lambda: references_of(live))
    predictions = predictions_of(live, f"{folder}/lake", AT)
    rows = timed("read a window", lambda: predictions.rows(window))
    asked = one_a_customer(rows)
    most = settings.drift.max_rows
    customers = timed("its customers' features as columns", lambda: compared(predictions, asked, window, bundle, most))
    drift = timed("compare every column", lambda: measure_window(references, customers, *window, settings.drift))
    answers = Answers(requests=rows.height, failed=0)

    def verdict() -> None:
        traffic = traffic_of(rows, customers, answers)
        one = MeasuredWindow(start=window.start, end=window.end, traffic=traffic, drift=drift)
        quarantine = (StreamQuarantine(stream="predictions", read=rows.height, quarantined=0),)
        found = Measurement(
            at=AT,
            version="1",
            bundle_digest=bundle.digest,
            deployment=live.place,
            live_since=START,
            windows=(one,),
            partial=None,
            drifts=drifts(references, [drift], settings.drift),
            importance={},
            data=DataHealth(newest_activity=START, closed_until=AT, quarantine=quarantine),
            quality=None,
            former=None,
            former_inputs=(),
            doubts=(),
        )
        keep(f"{folder}/kept-{time.time_ns()}", found, judge(found, Examination(), settings))

    timed("judge, and enter window and verdict", verdict)
    costs["the light look, all of it"] = round(time.process_time() - began, 2)
    if evidently:
        reference = pl.read_parquet(bundle.path / REFERENCE).rename({bundle.manifest.output: "score"})

        def thorough() -> None:
            sides = Sides(customers, reference)
            examine(sides, None, bundle.manifest.catalogue, at=AT, window_end=AT, settings=settings.examination)

        timed("the thorough look by Evidently, imports included", thorough)
    return costs


if __name__ == "__main__":
    main()
