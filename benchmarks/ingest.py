"""What ingestion costs against its floor and its peers, on the same files: `python -m benchmarks.ingest`.

Every measurement is a process of its own; floor and ours take turns. Start-up and imports are part of every figure.
"""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks import tables
from benchmarks.framework import framework_costs
from benchmarks.measure import ROOT, Cost, bring_into_memory, in_turns, measured

FORMATS = ("jsonl.gz", "csv", "parquet")
PROGRAMS = {
    "floor": "benchmarks.peers.floor",
    "ours": "benchmarks.ours",
    "pandas": "benchmarks.peers.pandas_job",
    "duckdb": "benchmarks.peers.duckdb_job",
}
PAGE = ROOT / "docs" / "benchmarks.md"
EVENTS_PER_HOUR = 13_889


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what was asked for and print it as Markdown."""
    asked = _parser().parse_args(arguments)
    events = 1_000_000 if asked.quick else asked.events
    sizes = [events] if asked.quick else sorted({max(events // 10, 100_000), events})
    parts = [tables.circumstances(f"python -m benchmarks.ingest {' '.join(arguments or sys.argv[1:])}".strip())]
    for size in sizes:
        hours = _hours(size)
        rounds = {form: _compared(size, hours, form, asked.rounds, asked.peer_rounds) for form in asked.formats}
        parts.append(tables.comparison(size, hours, rounds))
        _say(parts[-1])
    hours = _hours(events)
    landing = _landing(events, hours, "parquet")
    latencies = {}
    for kept, options in (("daily upkeep", ["--upkeep"]), ("never compacted", [])):
        with _scratch() as out:
            runs = ["-m", "benchmarks.latency", landing, str(out), str(hours), *options]
            latencies[kept] = measured(runs).printed
    parts.append(tables.latency(latencies))
    _say(parts[-1])
    with _scratch() as out:
        parts.append(tables.shares(framework_costs(Path(landing), out)))
    report = "\n\n".join(parts)
    print(report)
    if asked.write:
        PAGE.write_text(tables.written(PAGE.read_text(encoding="utf-8"), f"\n{report}\n"), encoding="utf-8")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ingest", description=__doc__)
    parser.add_argument("--events", type=int, default=10_000_000, help="rows to read; a tenth is measured as well")
    parser.add_argument("--formats", nargs="+", choices=FORMATS, default=FORMATS)
    parser.add_argument("--rounds", type=int, default=3, help="turns of floor and ours")
    parser.add_argument("--peer-rounds", type=int, default=1, help="turns of pandas and DuckDB")
    parser.add_argument("--quick", action="store_true", help="a million events in 72 objects, and nothing larger")
    parser.add_argument("--write", action="store_true", help=f"put the tables into {PAGE.relative_to(ROOT)}")
    return parser


def _hours(events: int) -> int:
    return max(1, round(events / EVENTS_PER_HOUR))


def _compared(events: int, hours: int, form: str, rounds: int, peer_rounds: int) -> dict[str, list[Cost]]:
    landing = _landing(events, hours, form)
    turns = in_turns({"floor": rounds, "ours": rounds, "pandas": peer_rounds, "duckdb": peer_rounds})
    costs: dict[str, list[Cost]] = {name: [] for name in dict.fromkeys(turns)}
    for name in turns:
        bring_into_memory(Path(landing))
        with _scratch() as out:
            costs[name].append(measured(["-m", PROGRAMS[name], form, landing, str(out / "lake")]))
        _say(f"{form} {name}: {costs[name][-1].cpu:.1f} CPU s, {costs[name][-1].peak:.0f} MiB")
    kept = {name: rounds[0].printed["appended"] for name, rounds in costs.items() if name != "floor"}
    if len(set(kept.values())) > 1:
        raise RuntimeError(f"{form}: the implementations disagree on the rows to append: {kept}")
    return costs


def _landing(events: int, hours: int, form: str) -> str:
    """Make the landing zone in another process, so that this one stays small, and return where it is."""
    asked = ["-m", "benchmarks.generate", "--events", str(events), "--hours", str(hours), "--format", form]
    return str(measured(asked).printed["landing"])


@contextmanager
def _scratch() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="churn-bench-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
