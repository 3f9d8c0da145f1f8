"""Results as Markdown."""

import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from benchmarks.measure import Cost

BEGIN, END = "<!-- benchmarks/{program}.py: begin -->", "<!-- benchmarks/{program}.py: end -->"
TARGETS = {"jsonl.gz": 2.0, "csv": 2.0, "parquet": 3.0}
"""Most CPU seconds that ingestion may take for one of the floor's."""
PACKAGES = ("polars", "deltalake", "pandas", "pyarrow", "duckdb", "zenml")


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Lay out a Markdown table; every column but the first is aligned to the right."""
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, rule, *rows))


def comparison(events: int, hours: int, costs: Mapping[str, Mapping[str, Sequence[Cost]]]) -> str:
    """Tabulate what each implementation costs per format, and how they compare.

    Args:
        events: rows read.
        hours: landing objects.
        costs: format → implementation → rounds.
    """
    head = ["format", "implementation", "CPU s", "wall s", "peak MiB", "CPU / floor", "CPU / ours", "rounds"]
    rows = []
    for form, by_name in costs.items():
        cpu = {name: statistics.median(cost.cpu for cost in rounds) for name, rounds in by_name.items()}
        for name, rounds in by_name.items():
            rows.append(
                [
                    form,
                    name,
                    f"{cpu[name]:.1f}",
                    f"{statistics.median(cost.wall for cost in rounds):.1f}",
                    f"{max(cost.peak for cost in rounds):.0f}",
                    f"{cpu[name] / cpu['floor']:.2f}" + (f" (≤ {TARGETS[form]})" if name == "ours" else ""),
                    f"{cpu[name] / cpu['ours']:.2f}",
                    str(len(rounds)),
                ]
            )
    return f"### {events:,} events in {hours} hourly objects\n\n{table(head, rows)}"


def latency(printed: Mapping[str, Mapping[str, float]]) -> str:
    """Tabulate what one hourly run costs early and late in the life of a lake, by how the lake is kept."""
    rows, late_commit = [], 0.0
    for kept, figures in printed.items():
        late_commit = figures["late"]
        for part, wanted in (("commit", " (≤ 1.5)"), ("run", "")):
            for kind, key in (("wall s", "wall"), ("CPU s", "cpu")):
                early, late = figures[f"{part}_early_{key}"], figures[f"{part}_late_{key}"]
                label = f"{kept}, {'the commit' if part == 'commit' else 'the whole run'}, {kind}"
                rows.append([label, f"{early:.3f}", f"{late:.3f}", f"{late / early:.2f}{wanted}"])
    head = ["one hour", "at version 10", f"at version {late_commit:.0f}", "ratio"]
    return f"### Commit latency\n\n{table(head, rows)}"


def shares(costs: Mapping[str, Cost]) -> str:
    """Tabulate single processes: what is paid before and around the work."""
    rows = [[name, f"{cost.cpu:.2f}", f"{cost.wall:.2f}", f"{cost.peak:.0f}"] for name, cost in costs.items()]
    return (
        f"### Start-up and the framework's share\n\n{table(['a fresh process', 'CPU s', 'wall s', 'peak MiB'], rows)}"
    )


def circumstances(command: str) -> str:
    """Say where, when and with what the figures were made."""
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return (
        f"Printed by `{command}` on {datetime.now(UTC):%Y-%m-%d}: {_processor()}, {os.cpu_count()} cores, "
        f"{_memory():.0f} GiB, {platform.system()}, Python {platform.python_version()}; {versions}."
    )


def written(document: str, tables: str, program: str = "ingest") -> str:
    """Return the document with what stands between the markers of a program replaced."""
    first, last = BEGIN.format(program=program), END.format(program=program)
    before, begin, rest = document.partition(first)
    _, end, after = rest.partition(last)
    if not begin or not end:
        raise ValueError(f"the document lacks the markers {first} and {last}")
    return f"{before}{first}\n{tables}\n{last}{after}"


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()


def _memory() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
