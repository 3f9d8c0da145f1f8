"""What a feature build costs beside the same features by hand, on one lake: `python -m benchmarks.features`.

Every measurement is a process of its own; all take turns, and find their files in memory. Start-up and imports are part
of every figure. The rows of all programs are compared.
"""

import argparse
import shutil
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks import tables
from benchmarks.measure import ROOT, Cost, bring_into_memory, in_turns, measured

HOURS = 720
"""Landing hours of the full build: three label windows of a week and what lies before them."""
OURS, POLARS = "ours, a full build", "Polars by hand"
PANDAS, NUMPY = "plain pandas", "NumPy on packed keys"
HOUR, DAY = "one hour more, no cutoff touched", "one day more, every cutoff moves"
PROGRAMS = {
    OURS: "benchmarks.features_ours",
    POLARS: "benchmarks.peers.features_polars",
    PANDAS: "benchmarks.peers.features_pandas",
    NUMPY: "benchmarks.peers.features_numpy",
}
SNAPSHOTS = {HOUR: "hour", DAY: "day"}
_PLACES = {OURS: "ours", POLARS: "polars", PANDAS: "pandas", NUMPY: "numpy", HOUR: "hour", DAY: "day"}
PAGE = ROOT / "docs" / "benchmarks.md"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print as Markdown."""
    asked = _parser().parse_args(arguments)
    lake = str(measured(["-m", "benchmarks.features_lake", str(asked.events), str(HOURS)]).printed["lake"])
    command = f"python -m benchmarks.features {' '.join(arguments or sys.argv[1:])}".strip()
    with tempfile.TemporaryDirectory(prefix="churn-bench-") as folder:
        costs = _compared(lake, Path(folder), asked.rounds, asked.peer_rounds)
    head = f"{asked.events:,} events, {costs[OURS][0].printed['rows']:,} rows"
    report = "\n\n".join([tables.circumstances(command), f"**{head}**", programs(costs), later(costs)])
    print(report)
    if asked.write:
        page = tables.written(PAGE.read_text(encoding="utf-8"), f"\n{report}\n", program="features")
        PAGE.write_text(page, encoding="utf-8")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.features", description=__doc__)
    parser.add_argument("--events", type=int, default=10_000_000, help="rows of the lake; fifty a customer")
    parser.add_argument("--rounds", type=int, default=3, help="turns of Polars and ours")
    parser.add_argument("--peer-rounds", type=int, default=1, help="turns of pandas and NumPy")
    parser.add_argument("--write", action="store_true", help=f"put the tables into {PAGE.relative_to(ROOT)}")
    return parser


def _compared(lake: str, folder: Path, rounds: int, peer_rounds: int) -> dict[str, list[Cost]]:
    every = dict.fromkeys((POLARS, OURS, HOUR, DAY), rounds) | dict.fromkeys((PANDAS, NUMPY), peer_rounds)
    turns = in_turns(every)
    costs: dict[str, list[Cost]] = {name: [] for name in dict.fromkeys([OURS, *turns])}
    places = {name: folder / place for name, place in _PLACES.items()}
    for name in turns:
        out = places[name]
        shutil.rmtree(out, ignore_errors=True)
        if name in SNAPSHOTS:
            # What the full build of this round left in the lake is what the later one finds.
            shutil.copytree(places[OURS], out)
            program = [PROGRAMS[OURS], lake, str(out), SNAPSHOTS[name]]
        else:
            program = [PROGRAMS[name], lake, str(out)]
        bring_into_memory(Path(lake))
        costs[name].append(measured(["-m", *program]))
        _say(f"{name}: {costs[name][-1].cpu:.1f} CPU s, {costs[name][-1].peak:.0f} MiB")
        if name in (OURS, PANDAS, NUMPY):
            made = [str(places[each]) for each in PROGRAMS if places[each].exists()]
            measured(["-m", "benchmarks.features_agree", *made])
    return costs


def programs(costs: Mapping[str, Sequence[Cost]]) -> str:
    """Tabulate what each program costs and how they compare."""
    cpu = {name: statistics.median(cost.cpu for cost in rounds) for name, rounds in costs.items()}
    rows = []
    for name in (each for each in PROGRAMS if costs.get(each)):
        limits = (" (≤ 1.3)", " (≤ 0.33)", " (≤ 2048)") if name == OURS else ("", "", "")
        over_pandas = f"{cpu[name] / cpu[PANDAS]:.2f}{limits[1]}" if PANDAS in cpu else "–"
        figures = [f"{cpu[name] / cpu[POLARS]:.2f}{limits[0]}", over_pandas]
        rows.append([name, *_cost(costs[name], limits[2]), *figures, str(len(costs[name]))])
    return tables.table(["program", "CPU s", "wall s", "peak MiB", "CPU / Polars", "CPU / pandas", "rounds"], rows)


def later(costs: Mapping[str, Sequence[Cost]]) -> str:
    """Tabulate builds that find what a full one left, as shares of it."""
    full = statistics.median(cost.cpu for cost in costs[OURS])
    rows = []
    for name in SNAPSHOTS:
        share = statistics.median(cost.cpu for cost in costs[name]) / full
        rows.append([name, *_cost(costs[name]), f"{share:.1%}" + (" (≤ 3 %)" if name == HOUR else "")])
    return tables.table(["after a full build", "CPU s", "wall s", "peak MiB", "of the full build"], rows)


def _cost(rounds: Sequence[Cost], limit: str = "") -> list[str]:
    cpu, wall = (statistics.median(getattr(cost, kind) for cost in rounds) for kind in ("cpu", "wall"))
    return [f"{cpu:.1f}", f"{wall:.1f}", f"{max(cost.peak for cost in rounds):.0f}{limit}"]


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
