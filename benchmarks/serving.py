"""What a prediction costs: `python -m benchmarks.serving [--rounds N] [--seconds S] [--candidate NAME]`.

Every server gets one worker and the same requests from `wrk`, eight at a time; all take turns in every round, so that
a busy moment of the machine hits all of them. CPU is what the server's processes used, by /proc, for each request.
"""

import argparse
import http.client
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from benchmarks import frames
from benchmarks.measure import ROOT
from benchmarks.tables import table
from churn.bundle.bundle import Bundle
from churn.bundle.write import write_bundle
from churn.evaluation.settings import EvaluationSettings
from churn.training.judge import judge
from churn.training.settings import TrainingSettings
from churn.training.train import train_candidates

FEATURES = 88
"""As many as `customer_snapshots` has."""
SIZES = (1, 100)
CONNECTIONS = 8
PYTHON = ROOT / ".venv-serving" / "bin" / "python"
_SCRIPT = """
wrk.method = "POST"
wrk.headers["content-type"] = "application/json"
wrk.body = io.open("%s", "r"):read("*a")
function done(summary, latency, requests)
  local failed = summary.errors.status + summary.errors.timeout + summary.errors.read + summary.errors.write
  print(string.format('{"requests":%%d,"failed":%%d,"p50":%%d,"p99":%%d}',
    summary.requests, failed, latency:percentile(50), latency:percentile(99)))
end
"""


@dataclass(frozen=True)
class Contender:
    """A server that takes part.

    Attributes:
        command: starts it on a port.
        body: the request for a number of rows.
        logs: whether it has a prediction log, so that what that dropped belongs beside its cost.
    """

    name: str
    command: Callable[[int], Sequence[str]]
    body: Callable[[int], Mapping[str, Any]]
    path: str = "/api/v1.0/predictions"
    ready: str = "/health/ping"
    logs: bool = False


@dataclass
class Figures:
    """What was measured of one contender, a value a round; CPU and latencies in ms by rows."""

    cold: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)
    cpu: dict[int, list[float]] = field(default_factory=lambda: {size: [] for size in SIZES})
    p50: dict[int, list[float]] = field(default_factory=lambda: {size: [] for size in SIZES})
    p99: dict[int, list[float]] = field(default_factory=lambda: {size: [] for size in SIZES})
    dropped: list[float] = field(default_factory=list)
    failed: int = 0


def contenders(bundle: Bundle, log: Path) -> list[Contender]:
    """Return who takes part, ours first."""
    names = [feature.name for feature in bundle.manifest.catalogue]
    golden = [[row.inputs[name] for name in names] for row in bundle.manifest.golden]

    def ndarray(rows: int) -> Mapping[str, Any]:
        return {"data": {"names": names, "ndarray": [golden[i % len(golden)] for i in range(rows)]}}

    def ours(port: int, *options: str) -> list[str]:
        identity = ["--bundle", str(bundle.path), "--digest", bundle.digest, "--version", "1"]
        return [str(PYTHON), "-m", "seldon.serving", *identity, "--port", str(port), *options]

    return [
        Contender("ours", lambda port: ours(port, "--log-to", str(log)), ndarray, logs=True),
        Contender("ours, without the log", ours, ndarray),
        Contender(
            "a constant, same server",
            lambda port: [str(PYTHON), "-m", "benchmarks.peers.constant_server", str(port)],
            ndarray,
            ready="/",
        ),
    ]


def make_bundle(folder: Path, candidate: str) -> Bundle:
    """Train one candidate on seeded rows."""
    settings = TrainingSettings(
        candidates=(candidate,),
        evaluation=EvaluationSettings(bootstrap_rounds=20, importance_rows=100, importance_rounds=1),
        reference_rows=400,
    )
    splits, catalogue = frames.split_frames(6_000, 2_000, features=FEATURES), frames.catalogue(FEATURES)
    trained = list(train_candidates(splits, catalogue, settings))
    report = judge(trained, splits, catalogue, settings)
    [chosen] = [model for model in trained if model.name == candidate]
    return write_bundle(folder / "bundle", chosen, splits, report, settings, frames.lineage(splits))


@contextmanager
def running(contender: Contender, port: int) -> Iterator[tuple[psutil.Process, float]]:
    """Start a server and wait until it answers; gives its process and the seconds that took."""
    begun = time.perf_counter()
    process = psutil.Popen(contender.command(port), cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        while not _answers(port, contender.ready):
            if process.poll() is not None or time.perf_counter() - begun > 120:
                raise RuntimeError(f"{contender.name}: did not start")
            time.sleep(0.01)
        yield process, time.perf_counter() - begun
    finally:
        for child in process.children(recursive=True):
            child.terminate()
        process.terminate()
        process.wait(30)


def _answers(port: int, path: str) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status < 500
    except OSError:
        return False
    finally:
        connection.close()


def measure(contender: Contender, port: int, folder: Path, seconds: float, into: Figures) -> None:
    """Measure one contender once."""
    with running(contender, port) as (process, cold):
        into.cold.append(cold)
        for size in SIZES:
            body = folder / f"{size}.json"
            body.write_text(json.dumps(contender.body(size)))
            script = folder / f"{size}.lua"
            script.write_text(_SCRIPT % body)
            url = f"http://127.0.0.1:{port}{contender.path}"
            _wrk(script, url, 1)
            before = _cpu(process)
            result = _wrk(script, url, seconds)
            time.sleep(0.5)  # what a log still writes counts
            into.cpu[size].append((_cpu(process) - before) / result["requests"] * 1e3)
            into.p50[size].append(result["p50"] / 1e3)
            into.p99[size].append(result["p99"] / 1e3)
            into.failed += int(result["failed"])
        if contender.logs:
            into.dropped.append(_share_dropped(port))
        family = [process, *process.children(recursive=True)]
        into.memory.append(sum(member.memory_info().rss for member in family) / 2**20)


def _share_dropped(port: int) -> float:
    """Return the share of the scored rows that never got into the log."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as page:
        lines = page.read().decode().splitlines()
    values = {line.split()[0]: float(line.split()[1]) for line in lines if line.startswith("churn_")}
    return values['churn_log_records_total{outcome="dropped"}'] / values["churn_rows_total"]


def _wrk(script: Path, url: str, seconds: float) -> Mapping[str, float]:
    words = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds:g}s", "-s", str(script), url]
    printed = subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip().splitlines()
    figures: dict[str, float] = json.loads(printed[-1])
    return figures


def _cpu(process: psutil.Process) -> float:
    times = [member.cpu_times() for member in (process, *process.children(recursive=True))]
    return sum(spent.user + spent.system for spent in times)


def rows_of(figures: Mapping[str, Figures], floor: Mapping[str, float]) -> str:
    """Lay the medians out."""
    head = ["server", *(f"CPU ms, {size} rows" for size in SIZES), "× constant"]
    head += [f"p{share} ms, {size} rows" for size in SIZES for share in (50, 99)] + [
        "MiB",
        "ready s",
        "failed",
        "log dropped",
    ]
    constant = statistics.median(figures["a constant, same server"].cpu[1])
    rows = []
    for name, figure in figures.items():
        cpu = [statistics.median(figure.cpu[size]) for size in SIZES]
        latencies = [statistics.median(part[size]) for size in SIZES for part in (figure.p50, figure.p99)]
        rows.append(
            [
                name,
                *(f"{value:.3f}" for value in cpu),
                f"{cpu[0] / constant:.2f}",
                *(f"{value:.2f}" for value in latencies),
                f"{statistics.median(figure.memory):.0f}",
                f"{statistics.median(figure.cold):.2f}",
                str(figure.failed),
                f"{statistics.median(figure.dropped):.0%}" if figure.dropped else "",
            ]
        )
    empty = [""] * (len(head) - 1 - len(SIZES))
    rows.append(["onnxruntime alone, no server", *(f"{floor[str(size)]:.3f}" for size in SIZES), *empty])
    return table(head, rows)


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--candidate", default="logistic_regression")
    parser.add_argument("--port", type=int, default=19_600)
    options = parser.parse_args()
    if shutil.which("wrk") is None or not PYTHON.exists():
        sys.exit("benchmarks.serving: needs wrk (make services) and .venv-serving (make .venv-serving/.ready)")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bundle = make_bundle(folder, options.candidate)
        taking_part = contenders(bundle, folder / "log")
        figures = {contender.name: Figures() for contender in taking_part}
        for turn in range(options.rounds):
            for place, contender in enumerate(taking_part):
                port = options.port + turn * len(taking_part) + place
                measure(contender, port, folder, options.seconds, figures[contender.name])
        words = [str(PYTHON), "-m", "benchmarks.peers.onnx_floor", str(bundle.path), bundle.digest, *map(str, SIZES)]
        floor = json.loads(subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout)
    print(rows_of(figures, floor))


if __name__ == "__main__":
    main()
