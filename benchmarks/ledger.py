"""What the ledger costs: `python -m benchmarks.ledger`; `--write` puts the table into docs/benchmarks.md.

Enters 10,000 decisions as trainings do, a hundred at a time, then verifies the chain and appends single decisions.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.tables import circumstances, table, written
from churn.ledger.entry import Draft
from churn.ledger.ledger import Ledger
from churn.log import configure_logging

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"
ROUNDS = 9
AT_A_TIME = 100
VERIFY, APPEND = 2.0, 0.5
"""Most seconds of wall time that verifying 10,000 entries and appending one may take."""


def main() -> None:
    """Fill a ledger and time it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=10_000)
    parser.add_argument("--write", action="store_true", help="put the table into docs/benchmarks.md")
    options = parser.parse_args()
    configure_logging(json=True, level="warning")
    with tempfile.TemporaryDirectory() as folder:
        ledger = Ledger(folder, lambda: datetime.now(UTC))
        for first in range(0, options.entries, AT_A_TIME):
            drafts = [_draft(number) for number in range(first, min(first + AT_A_TIME, options.entries))]
            ledger.record(lambda entries, drafts=drafts: drafts)  # type: ignore[misc]
        rows = [
            _timed(f"verify {options.entries:,} entries", VERIFY, lambda: _verify(ledger)),
            _timed("append one decision", APPEND, lambda: ledger.record(lambda entries: [_draft(0)])),
        ]
    printed = table(["ledger", "wall s, median", "slowest", "CPU s", "allowed, wall s"], rows)
    print(printed)
    if options.write:
        noted = f"\n{circumstances('python -m benchmarks.ledger --write')}\n\n{printed}\n"
        PAGE.write_text(written(PAGE.read_text(encoding="utf-8"), noted, "ledger"), encoding="utf-8")


def _draft(number: int) -> Draft:
    return Draft(
        decision="registered",
        actor="training",
        version=str(number),
        stage="none",
        bundle_digest="d" * 64,
        evidence_digest="e" * 64,
        facts={"run": "0" * 36, "cutoff": "2026-01-01", "table activity": "12345", "candidate": "logistic_regression"},
    )


def _verify(ledger: Ledger) -> None:
    _, found = ledger.faults()
    assert found == (), found


def _timed(what: str, allowed: float, work: Callable[[], object]) -> list[str]:
    walls, cpus = [], []
    for _ in range(ROUNDS):
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    return [
        what,
        f"{statistics.median(walls):.2f}",
        f"{max(walls):.2f}",
        f"{statistics.median(cpus):.2f}",
        f"{allowed:.1f}",
    ]


if __name__ == "__main__":
    main()
