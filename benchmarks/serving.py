"""What a prediction costs: `python -m benchmarks.serving`; `--write` puts the table into docs/benchmarks.md.

Every server gets one worker and the same requests from `wrk`, eight at a time; all take turns in every round, so that
a busy moment of the machine hits all of them. CPU is what the server's processes used, by /proc, for each request.
"""

import argparse
import http.client
import json
import os
import pickle
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil

from benchmarks import frames
from benchmarks.contender import Contender, Material
from benchmarks.measure import ROOT
from benchmarks.serving_peers import PEERS, peers
from benchmarks.tables import circumstances, table, written
from churn.bundle.write import write_bundle
from churn.evaluation.settings import EvaluationSettings
from churn.training.judge import judge
from churn.training.settings import TrainingSettings
from churn.training.train import train_candidates

FEATURES = 88
"""As many as `customer_snapshots` has."""
SIZES = (1, 100)
CONNECTIONS = 8
OURS, CONSTANT = "ours", "a constant, same server"
PAGE = ROOT / "docs" / "benchmarks.md"
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


class _Portable(pickle.Pickler):
    """Pickles what NumPy 1 reads as well: a generator, of no use after training, is written as a new one."""

    def reducer_override(self, value: object) -> object:
        """Say how a generator comes back; everything else as always."""
        if isinstance(value, np.random.Generator):
            return np.random.default_rng, (0,)
        return NotImplemented


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


def contenders(material: Material) -> list[Contender]:
    """Return who takes part without any peer, ours first."""
    bundle = material.bundle

    def ours(port: int, *options: str) -> list[str]:
        identity = ["--bundle", str(bundle.path), "--digest", bundle.digest, "--version", "1"]
        return [str(PYTHON), "-m", "seldon.serving", *identity, "--port", str(port), *options]

    log = str(material.folder / "log")
    return [
        Contender(OURS, lambda port: ours(port, "--log-to", log), material.ndarray, logs=True),
        Contender("ours, without the log", ours, material.ndarray),
        Contender(
            CONSTANT,
            lambda port: [str(PYTHON), "-m", "benchmarks.peers.constant_server", str(port)],
            material.ndarray,
            first=None,
            ready="/",
        ),
    ]


def make_material(folder: Path, candidate: str) -> Material:
    """Train one candidate on seeded rows; what is asked are golden rows whose categories are all known."""
    settings = TrainingSettings(
        candidates=(candidate,),
        evaluation=EvaluationSettings(bootstrap_rounds=20, importance_rows=100, importance_rounds=1),
        reference_rows=400,
    )
    splits, catalogue = frames.split_frames(6_000, 2_000, features=FEATURES), frames.catalogue(FEATURES)
    trained = list(train_candidates(splits, catalogue, settings))
    report = judge(trained, splits, catalogue, settings)
    [chosen] = [model for model in trained if model.name == candidate]
    bundle = write_bundle(folder / "bundle", chosen, splits, report, settings, frames.lineage(splits))
    pipeline = folder / "pipeline.pickle"
    with pipeline.open("wb") as file:
        _Portable(file).dump(chosen.pipeline)
    categories = [feature.name for feature in bundle.manifest.catalogue if feature.kind == "categorical"]
    golden = [row for row in bundle.manifest.golden if all(row.inputs[name] is not None for name in categories)]
    names = [feature.name for feature in bundle.manifest.catalogue]
    rows = [[row.inputs[name] for name in names] for row in golden]
    return Material(bundle, pipeline, names, rows, golden[0].score, folder)


@contextmanager
def running(contender: Contender, port: int) -> Iterator[tuple[psutil.Process, float]]:
    """Start a server and wait until it answers; gives its process and the seconds that took."""
    begun = time.perf_counter()
    process = psutil.Popen(
        contender.command(port), cwd=ROOT, stdout=subprocess.DEVNULL, env={**os.environ, **contender.environ}
    )
    try:
        while not _answers(port, contender.ready):
            if process.poll() is not None or time.perf_counter() - begun > 120:
                raise RuntimeError(f"{contender.name}: did not start")
            time.sleep(0.01)
        yield process, time.perf_counter() - begun
    finally:
        family = [process, *process.children(recursive=True)] if process.is_running() else []
        for member in family:
            member.terminate()
        for member in psutil.wait_procs(family, timeout=10)[1]:
            member.kill()


def _answers(port: int, path: str) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status < 300
    except OSError:
        return False
    finally:
        connection.close()


def measure(contender: Contender, material: Material, port: int, seconds: float, into: Figures) -> None:
    """Measure one contender once, after a look at whether it answers right."""
    folder = material.folder
    with running(contender, port) as (process, cold):
        into.cold.append(cold)
        _check(contender, material, port)
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


def _check(contender: Contender, material: Material, port: int) -> None:
    """Refuse to measure what does not score as the bundle does."""
    content = json.dumps(contender.body(1)).encode()
    url = f"http://127.0.0.1:{port}{contender.path}"
    asked = urllib.request.Request(url, content, {"content-type": "application/json"})
    try:
        with urllib.request.urlopen(asked, timeout=30) as response:
            answer = json.load(response)
    except urllib.error.HTTPError as error:
        raise RuntimeError(f"{contender.name}: {error.status} {error.read()[:300]!r}") from None
    if contender.first is not None and abs(contender.first(answer) - material.score) > 1e-4:
        raise RuntimeError(f"{contender.name}: scores {contender.first(answer)}, the bundle {material.score}")


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
    head = ["server", *(f"CPU ms, {size} rows" for size in SIZES), "× ours", "× constant"]
    head += [f"p{share} ms, {size} rows" for size in SIZES for share in (50, 99)] + [
        "MiB",
        "ready s",
        "failed",
        "log dropped",
    ]
    ours, constant = (statistics.median(figures[name].cpu[1]) for name in (OURS, CONSTANT))
    rows = []
    for name, figure in figures.items():
        cpu = [statistics.median(figure.cpu[size]) for size in SIZES]
        latencies = [statistics.median(part[size]) for size in SIZES for part in (figure.p50, figure.p99)]
        rows.append(
            [
                name,
                *(f"{value:.3f}" for value in cpu),
                f"{cpu[0] / ours:.2f}",
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


def compare(candidate: str, options: argparse.Namespace) -> str:
    """Measure everybody with one kind of model, and return the table."""
    skipped: list[str] = []
    with tempfile.TemporaryDirectory() as name:
        material = make_material(Path(name), candidate)
        taking_part = contenders(material)
        if not options.no_peers:
            taking_part += peers(PEERS, material, skipped)
        figures = {contender.name: Figures() for contender in taking_part}
        for turn in range(options.rounds):
            for place, contender in enumerate(taking_part):
                port = options.port + 3 * (turn * len(taking_part) + place)
                measure(contender, material, port, options.seconds, figures[contender.name])
        bundle = material.bundle
        words = [str(PYTHON), "-m", "benchmarks.peers.onnx_floor", str(bundle.path), bundle.digest, *map(str, SIZES)]
        floor = json.loads(subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout)
    lines = [rows_of(figures, floor), *(f"Could not be installed here: {peer}." for peer in skipped)]
    return "\n\n".join([f"**{candidate.replace('_', ' ')}**", *lines])


def main() -> None:
    """Measure, and print a table for each kind of model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--candidates", nargs="+", default=list(TrainingSettings().candidates))
    parser.add_argument("--port", type=int, default=19_600)
    parser.add_argument("--no-peers", action="store_true", help="measure ours and the floors alone")
    parser.add_argument("--write", action="store_true", help=f"put the tables into {PAGE.relative_to(ROOT)}")
    options = parser.parse_args()
    if shutil.which("wrk") is None or not PYTHON.exists():
        sys.exit("benchmarks.serving: needs wrk (make services) and .venv-serving (make .venv-serving/.ready)")
    printed = "\n\n".join(compare(candidate, options) for candidate in options.candidates)
    print(printed)
    if options.write:
        command = f"python -m benchmarks.serving --rounds {options.rounds} --seconds {options.seconds:g} --write"
        noted = f"\n{circumstances(command)}\n\n{printed}\n"
        PAGE.write_text(written(PAGE.read_text(encoding="utf-8"), noted, "serving"), encoding="utf-8")


if __name__ == "__main__":
    main()
