"""What training costs beyond start-up: `python -m benchmarks.training --rows 200000 --features 60`.

Three candidates with the default settings, on `--rows` training rows and a fifth as many in each later split, then
judged, written as bundles and compared with ONNX on every row. Prints CPU seconds by part, and JSON on the last line.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TypeVar

from benchmarks.frames import catalogue, lineage, split_frames

Result = TypeVar("Result")
CANDIDATES = ("logistic_regression", "random_forest", "hist_gradient_boosting")
LIMIT = 90.0
"""CPU seconds that training the three candidates may take, judging and writing them included."""

NOT_COUNTED = ("start-up (imports)", "generate frames")


def main() -> None:
    """Train, judge and write, and print what each took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--features", type=int, default=60)
    options = parser.parse_args()
    costs: dict[str, float] = {}

    def timed(part: str, work: Callable[[], Result]) -> Result:
        started = time.process_time()
        result = work()
        costs[part] = round(time.process_time() - started, 2)
        print(f"{part:32} {costs[part]:8.2f} CPU s", flush=True)
        return result

    timed(NOT_COUNTED[0], _import)
    from churn.bundle.write import write_bundle
    from churn.training.judge import judge
    from churn.training.settings import TrainingSettings
    from churn.training.train import train_candidates

    settings, features = TrainingSettings(candidates=CANDIDATES), catalogue(options.features)
    frames = timed(NOT_COUNTED[1], lambda: split_frames(options.rows, options.rows // 5, features=options.features))
    candidates = timed("train three candidates", lambda: train_candidates(frames, features, settings))
    for candidate in candidates:
        print(
            f"  {candidate.name:30} {candidate.fit_seconds:8.2f} CPU s, calibration AUC {candidate.calibration_auc:.4f}"
        )
    report = timed("judge", lambda: judge(candidates, frames, features, settings))
    with tempfile.TemporaryDirectory() as folder:
        for candidate in candidates:
            write = partial(write_bundle, Path(folder) / candidate.name, candidate, frames, report, settings)
            timed(f"bundle {candidate.name}", partial(write, lineage(frames)))
    total = sum(cost for part, cost in costs.items() if part not in NOT_COUNTED)
    print(f"beyond start-up {total:.1f} of at most {LIMIT:.0f} CPU s: {'good' if total <= LIMIT else 'TOO SLOW'}")
    print(json.dumps(costs))


def _import() -> None:
    for module in ("bundle.write", "training.judge", *(f"training.candidates.{name}" for name in CANDIDATES)):
        import_module(f"churn.{module}")


if __name__ == "__main__":
    main()
