"""Every table of the documentation, measured again: `python -m benchmarks.all`; `--write` puts them into the pages.

Takes some hours on two cores. One benchmark after another, each in a process of its own; one that fails is named at the
end, and the others go on. Those named as words are all that is run: `python -m benchmarks.all ledger scoring`.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from benchmarks.measure import ROOT

MODULES: Mapping[str, Sequence[str]] = MappingProxyType(
    {
        "ingest": ("--rounds", "3", "--peer-rounds", "1"),
        "features": ("--rounds", "2"),
        "training": (),
        "ledger": (),
        "promotion": (),
        "serving": (),
        "scoring": (),
        "customers": (),
        "monitoring": ("--evidently",),
        "rollout": (),
        "faults": (),
        "drift": (),
    }
)
"""Module below `benchmarks` → what it is given beside `--write`."""
QUALITY = "quality"
"""A slow test, which prints its tables and is quoted by hand."""
_FLOORS = ("-m", "pytest", "-q", "-m", "slow", "tests/churn/training/test_real_floors.py")


def command(name: str, *, write: bool) -> list[str]:
    """Return how a benchmark is run."""
    if name == QUALITY:
        return [sys.executable, *_FLOORS]
    return [sys.executable, "-m", f"benchmarks.{name}", *MODULES[name], *(["--write"] if write else [])]


def main() -> None:
    """Run them, and name those that failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join([*MODULES, QUALITY])}; default: all")
    parser.add_argument("--write", action="store_true", help="put the tables into the pages of docs/")
    options = parser.parse_args()
    names = options.names or [*MODULES, QUALITY]
    if unknown := sorted({*names} - {*MODULES, QUALITY}):
        parser.error(f"no benchmark {', '.join(unknown)}; there are {', '.join([*MODULES, QUALITY])}")
    failed = []
    for name in names:
        print(f"\n== {name}", flush=True)
        begun = time.perf_counter()
        if subprocess.run(command(name, write=options.write), cwd=ROOT, check=False).returncode:
            failed.append(name)
        print(f"== {name}: {time.perf_counter() - begun:.0f} s", flush=True)
    if failed:
        sys.exit(f"benchmarks.all: failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
