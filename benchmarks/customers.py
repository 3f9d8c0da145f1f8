"""What a prediction by token costs: `python -m benchmarks.customers`; `--write` puts it into docs/benchmarks.md.

One server answers the same customers by token and by features, in turns, on a snapshot of `--customers` of 88 features.
"""

import argparse
import http.client
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import psutil

from benchmarks import frames
from benchmarks.contender import Contender
from benchmarks.measure import ROOT
from benchmarks.serving import FEATURES, PYTHON, make_material, running
from benchmarks.tables import circumstances, table, written
from churn.bundle.bundle import Bundle
from churn.online.publish import PublishedCustomers, publish_rows

DAY = date(2026, 11, 21)
SIZES = (1, 100, 1000)
SETS = 200
"""Different requests of a size: a single one would show a cache."""
LONGEST = 50
"""The same for a thousand customers, whose features take a megabyte a request."""
TOKENS, BY_FEATURES = "by token", "by features"
LIMIT, MEMORY = 1.5, 400
"""Most p99 for that of the same request with features; most MB of a million customers."""
PAGE = ROOT / "docs" / "benchmarks.md"
_SCRIPT = """
local bodies, at = {}, 0
for line in io.lines("%s") do bodies[#bodies + 1] = line end
wrk.method = "POST"
wrk.headers["content-type"] = "application/json"
request = function()
  at = at %% #bodies + 1
  return wrk.format(nil, nil, nil, bodies[at])
end
function done(summary, latency, requests)
  local failed = summary.errors.status + summary.errors.timeout + summary.errors.read + summary.errors.write
  print(string.format('{"requests":%%d,"failed":%%d,"p50":%%d,"p99":%%d}',
    summary.requests, failed, latency:percentile(50), latency:percentile(99)))
end
"""


def customers(count: int) -> pl.DataFrame:
    """Return made-up customers with tokens, sorted by them."""
    draw = np.random.default_rng(5)
    tokens = [f"cus_{draw.bytes(16).hex()}" for _ in range(count)]
    rows = frames.snapshots(count, DAY, 3, features=FEATURES).drop("cutoff", "churned")
    return rows.with_columns(customer_id=pl.Series(tokens)).sort("customer_id")


def write_bodies(folder: Path, rows: pl.DataFrame) -> None:
    """Write the requests of each size and kind, one a line: the same customers in both."""
    draw = np.random.default_rng(9)
    names = [name for name in rows.columns if name != "customer_id"]
    for size in SIZES:
        with _bodies(folder, TOKENS, size).open("w") as tokens, _bodies(folder, BY_FEATURES, size).open("w") as given:
            for _ in range(SETS if size < max(SIZES) else LONGEST):
                chosen = rows[draw.integers(0, rows.height, size)]
                tokens.write(json.dumps({"jsonData": {"customers": chosen["customer_id"].to_list()}}) + "\n")
                ndarray = [list(row) for row in chosen.select(names).rows()]
                given.write(json.dumps({"data": {"names": names, "ndarray": ndarray}}) + "\n")


def check(folder: Path, port: int) -> None:
    """Refuse to measure answers that differ."""
    for size in SIZES:
        answers = [_ask(port, _bodies(folder, kind, size).open().readline()) for kind in (TOKENS, BY_FEATURES)]
        if answers[0]["data"] != answers[1]["data"]:
            raise RuntimeError(f"{size} customers: {TOKENS} and {BY_FEATURES} are answered differently")


def load(folder: Path, kind: str, size: int, port: int, seconds: float, connections: int) -> Mapping[str, float]:
    """Ask for some seconds."""
    script = folder / f"{kind}-{size}.lua"
    script.write_text(_SCRIPT % _bodies(folder, kind, size))
    url = f"http://127.0.0.1:{port}/api/v1.0/predictions"
    words = ["wrk", "-t1", f"-c{connections}", f"-d{seconds:g}s", "--timeout", "10s", "-s", str(script), url]
    printed = subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip().splitlines()
    figures: dict[str, float] = json.loads(printed[-1])
    return figures


def _bodies(folder: Path, kind: str, size: int) -> Path:
    return folder / f"{kind.replace(' ', '-')}-{size}.jsonl"


def _ask(port: int, body: str) -> Any:  # noqa: ANN401 - JSON
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("POST", "/api/v1.0/predictions", body.encode(), {"content-type": "application/json"})
    response = connection.getresponse()
    answer = json.load(response)
    connection.close()
    if response.status != 200:
        raise RuntimeError(f"{response.status}: {answer}")
    return answer


def served(bundle: Bundle, folder: Path, landing: Path) -> Contender:
    """Return the server, with its log."""
    options = {"--bundle": str(bundle.path), "--digest": bundle.digest, "--version": "1", "--log-to": str(landing)}
    words = [word for pair in options.items() for word in pair]
    command = [str(PYTHON), "-m", "seldon.serving", *words, "--customers", str(folder)]
    return Contender("ours", lambda port: [*command, "--port", str(port)], lambda count: {})


def measured_requests(
    folder: Path, process: psutil.Process, port: int, rounds: int, seconds: float, connections: int
) -> list[list[str]]:
    """Let both kinds take turns and return a line a size."""
    found: dict[tuple[str, int], list[Mapping[str, float]]] = {}
    for turn in range(rounds):
        for size in SIZES:
            for kind in (TOKENS, BY_FEATURES)[:: 1 if turn % 2 else -1]:
                before = _cpu(process)
                run = load(folder, kind, size, port, seconds, connections)
                time.sleep(0.5)  # what the log still writes counts
                spent = (_cpu(process) - before) / max(run["requests"], 1)
                found.setdefault((kind, size), []).append({**run, "cpu": spent * 1e6})
    return [_line(size, found[TOKENS, size], found[BY_FEATURES, size]) for size in SIZES]


def _cpu(process: psutil.Process) -> float:
    spent = process.cpu_times()
    return float(spent.user + spent.system)


def _line(size: int, token: Sequence[Mapping[str, float]], given: Sequence[Mapping[str, float]]) -> list[str]:
    def median(runs: Sequence[Mapping[str, float]], name: str) -> float:
        return statistics.median(run[name] for run in runs) / 1e3

    failed = sum(int(run["failed"]) for run in (*token, *given))
    return [
        f"{size:,}",
        *(f"{median(runs, name):.2f}" for name in ("cpu", "p50", "p99") for runs in (token, given)),
        f"{median(token, 'cpu') / median(given, 'cpu'):.2f}",
        f"{median(token, 'p99') / median(given, 'p99'):.2f} (≤ {LIMIT:g})",
        str(failed),
    ]


def memory(process: psutil.Process) -> tuple[float, float]:
    """Return resident MB, and those of them that are no file's, which every process has for itself."""
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{process.pid}/status").read_text().splitlines())
    resident, own = (int(lines[name].split()[0]) * 1024 / 1e6 for name in ("VmRSS", "RssAnon"))
    return resident, own


def touch(rows: pl.DataFrame, port: int) -> None:
    """Ask for every customer once, a thousand at a time."""
    tokens = rows["customer_id"].to_list()
    for at in range(0, len(tokens), max(SIZES)):
        _ask(port, json.dumps({"jsonData": {"customers": tokens[at : at + max(SIZES)]}}))


def facts(made: PublishedCustomers, cpu: float, cold: Sequence[float], held: Sequence[tuple[float, float]]) -> str:
    """Tabulate the snapshot and what it costs to have."""
    without, opened, touched = held
    rows = [
        ["customers", f"{made.customers:,}"],
        ["file, MB", f"{made.size / 1e6:.0f} (≤ {MEMORY} a million)"],
        ["publishing it, CPU s, features in memory", f"{cpu:.1f}"],
        ["ready without it, s", f"{cold[0]:.2f}"],
        ["ready with it, every byte checked, s", f"{cold[1]:.2f}"],
        ["resident without it, MB", f"{without[0]:.0f}"],
        ["resident when ready, MB", f"{opened[0]:.0f}"],
        ["resident when all customers were asked for, MB", f"{touched[0]:.0f}"],
        ["of that the process's own, without files, MB", f"{touched[1]:.0f}"],
    ]
    return table(["snapshot", "figure"], rows)


def main() -> None:
    """Measure, and print two tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--port", type=int, default=19_800)
    parser.add_argument("--write", action="store_true", help=f"put the tables into {PAGE.relative_to(ROOT)}")
    options = parser.parse_args()
    if shutil.which("wrk") is None or not PYTHON.exists():
        sys.exit("benchmarks.customers: needs wrk (make services) and .venv-serving (make .venv-serving/.ready)")
    with tempfile.TemporaryDirectory(dir=os.environ.get("CHURN_BENCH_DIR")) as name:
        folder = Path(name)
        bundle = make_material(folder, "logistic_regression").bundle
        rows, place = customers(options.customers), folder / "customers"
        begun = time.process_time()
        catalogue = bundle.manifest.catalogue
        made = publish_rows(rows, catalogue, place, version=1, digest="ab" * 32, day=DAY)
        cpu = time.process_time() - begun
        write_bodies(folder, rows)
        with running(served(bundle, folder / "none", folder / "log"), options.port) as (process, bare):
            held, cold = [memory(process)], [bare]
        with running(served(bundle, place, folder / "log"), options.port + 1) as (process, ready):
            held, cold = [*held, memory(process)], [*cold, ready]
            check(folder, options.port + 1)
            touch(rows, options.port + 1)
            held.append(memory(process))
            lines = measured_requests(
                folder, process, options.port + 1, options.rounds, options.seconds, options.connections
            )
    head = ["customers a request"]
    head += [f"{figure} ms, {kind}" for figure in ("CPU", "p50", "p99") for kind in (TOKENS, BY_FEATURES)]
    head += ["CPU, ratio", "p99, ratio", "failed"]
    printed = f"{facts(made, cpu, cold, held)}\n\n{table(head, lines)}"
    print(printed)
    if options.write:
        command = (
            f"python -m benchmarks.customers --customers {options.customers} --rounds {options.rounds} "
            f"--seconds {options.seconds:g} --connections {options.connections} --write"
        )
        noted = f"\n{circumstances(command)}\n\n{printed}\n"
        PAGE.write_text(written(PAGE.read_text(encoding="utf-8"), noted, "customers"), encoding="utf-8")


if __name__ == "__main__":
    main()
