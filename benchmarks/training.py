"""What training costs beyond start-up: `python -m benchmarks.training --rows 200000 --features 60`.

Three candidates with the default settings, on `--rows` training rows and a fifth as many in each later split, then
judged, written as bundles and compared with ONNX on every row. Prints CPU seconds by part; `--write` puts them into
docs/benchmarks.md.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TypeVar

from benchmarks.frames import catalogue, lineage, split_frames
from benchmarks.measure import ROOT
from benchmarks.tables import circumstances, table, written

Result = TypeVar("Result")
CANDIDATES = ("logistic_regression", "random_forest", "hist_gradient_boosting")
LIMIT = 90.0
"""CPU seconds that training the three candidates may take, judging and writing them included."""

PAGE = ROOT / "docs" / "benchmarks.md"
NOT_COUNTED = ("start-up (imports)", "generate frames")


def main() -> None:
    """Train, judge and write, and print what each took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--features", type=int, default=60)
    parser.add_argument("--write", action="store_true", help="put the table into docs/benchmarks.md")
    options = parser.parse_args()
    costs: dict[str, float] = {}

    def timed(part: str, work: Callable[[], Result]) -> Result:
        started = time.process_time()
        result = work()
        costs[part] = round(time.process_time() - started, 2)
        print(f"{part:40} {costs[part]:8.2f} CPU s", flush=True)
        return result

    timed(NOT_COUNTED[0], _import)
    from churn.bundle.write import write_bundle
    from churn.training.judge import judge
    from churn.training.settings import TrainingSettings
    from churn.training.train import train_candidates

    settings, features = TrainingSettings(candidates=CANDIDATES), catalogue(options.features)
    frames = timed(NOT_COUNTED[1], lambda: split_frames(options.rows, options.rows // 5, features=options.features))
    candidates = timed("train three candidates", lambda: train_candidates(frames, features, settings))
    costs.update({f"· {candidate.name.replace('_', ' ')}": candidate.fit_seconds for candidate in candidates})
    report = timed("judge", lambda: judge(candidates, frames, features, settings))
    with tempfile.TemporaryDirectory() as folder:
        for candidate in candidates:
            write = partial(write_bundle, Path(folder) / candidate.name, candidate, frames, report, settings)
            timed(f"the bundle of {candidate.name.replace('_', ' ')}", partial(write, lineage(frames)))
    total = sum(cost for part, cost in costs.items() if part not in NOT_COUNTED and not part.startswith("·"))
    rows = [[part, f"{cost:.1f}"] for part, cost in costs.items()]
    printed = table(["part", "CPU s"], [*rows, ["**beyond start-up and data**", f"{total:.1f} (≤ {LIMIT:.0f})"]])
    print(f"\n{printed}")
    if options.write:
        noted = f"\n{circumstances('python -m benchmarks.training --write')}\n\n{printed}\n"
        PAGE.write_text(written(PAGE.read_text(encoding="utf-8"), noted, "training"), encoding="utf-8")


def _import() -> None:
    for module in ("bundle.write", "training.judge", *(f"training.candidates.{name}" for name in CANDIDATES)):
        import_module(f"churn.{module}")


if __name__ == "__main__":
    main()
