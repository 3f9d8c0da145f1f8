"""How often drift is alarmed about wrongly, and how surely it is found: `python -m benchmarks.drift`.

Simulates windows of customers with planted faults, 500 seeds each; `--write` puts the table into docs/monitoring.md.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.tables import circumstances, table, written
from churn.drift.persistence import drifts
from churn.drift.reference import Reference, reference_of
from churn.drift.settings import DriftSettings
from churn.drift.window import WindowDrift, measure_window
from churn.features.catalogue import Feature

PAGE = Path(__file__).parents[1] / "docs" / "monitoring.md"
SETTINGS = DriftSettings()
HOURS = 6
CUSTOMERS, REFERENCE_CUSTOMERS, CUTOFFS = 1_500, 2_000, 3
_START = datetime(2026, 1, 5, tzinfo=UTC)
_PLANS = ("basic", "plus", "gold")
_NUMBERS = tuple(f"{shape}_{i}" for shape in ("normal", "amount", "events", "gap") for i in range(4))
FEATURES = (
    *(Feature(name, "numeric", "simulated") for name in _NUMBERS),
    *(Feature(name, "categorical", "simulated") for name in ("plan", "country", "segment", "channel")),
)
Change = Callable[[pl.DataFrame, int, np.random.Generator], pl.DataFrame]
"""What happens to the customers of a window: frame, number of the window, randomness."""


@dataclass(frozen=True)
class Scenario:
    """A planted fault.

    Attributes:
        change: what it does.
        column: where an alarm is right; none where any alarm is a false one.
        broken: whether it must be called a broken input, in the first window already.
        windows: how long it is watched.
        customers: of each window.
    """

    change: Change
    column: str | None = None
    broken: bool = False
    windows: int = SETTINGS.windows
    customers: int = CUSTOMERS


@dataclass(frozen=True)
class Found:
    """What was said in all runs of a scenario.

    Attributes:
        alarms: runs with an alarm about any column.
        right: runs with an alarm about the column that was planted.
        elsewhere: runs with an alarm about another column.
        flagged: windows with a flag on any column.
        naive: windows in which some column has p < 0.05, which is what a test in each column would alarm about.
        broken: runs whose first window was called broken in the planted column.
        after: windows until the alarm, in the runs that had one.
    """

    runs: int
    alarms: int
    right: int
    elsewhere: int
    flagged: int
    naive: int
    broken: int
    after: tuple[int, ...]


def _same(frame: pl.DataFrame, window: int, draw: np.random.Generator) -> pl.DataFrame:
    return frame


def _shift(by: float) -> Change:
    return lambda frame, window, draw: frame.with_columns(pl.col("normal_0") + by)


def _slow(frame: pl.DataFrame, window: int, draw: np.random.Generator) -> pl.DataFrame:
    return frame.with_columns(pl.col("normal_0") + 0.05 * (window + 1))


def _season(frame: pl.DataFrame, window: int, draw: np.random.Generator) -> pl.DataFrame:
    """Move four features with the hour of the day, by half a standard deviation up and down."""
    hours = window * HOURS + draw.uniform(0, HOURS, frame.height)
    wave = pl.Series(0.5 * np.sin(2 * np.pi * hours / 24))
    return frame.with_columns((pl.col(f"normal_{i}") + wave) for i in range(4))


def _new_category(share: float) -> Change:
    def change(frame: pl.DataFrame, window: int, draw: np.random.Generator) -> pl.DataFrame:
        hit = pl.Series(draw.uniform(size=frame.height) < share)
        return frame.with_columns(plan=pl.when(hit).then(pl.lit("family")).otherwise("plan"))

    return change


SCENARIOS: Mapping[str, Scenario] = {
    "nothing": Scenario(_same),
    "nothing, 10,000 customers a window": Scenario(_same, customers=10_000),
    "mean + 0.1 σ, 10,000 customers a window: too little to matter": Scenario(_shift(0.1), customers=10_000),
    "four features swing by ± 0.5 σ every day": Scenario(_season, windows=8),
    "mean + 0.5 σ": Scenario(_shift(0.5), "normal_0"),
    "mean − 0.5 σ": Scenario(_shift(-0.5), "normal_0"),
    "a new category, 5 % of the customers": Scenario(_new_category(0.05), "plan"),
    "a new category, 20 % of the customers": Scenario(_new_category(0.2), "plan"),
    "a column is missing": Scenario(
        lambda frame, window, draw: frame.with_columns(amount_0=pl.lit(None, pl.Float64)), "amount_0", broken=True
    ),
    "a unit changes, × 100": Scenario(
        lambda frame, window, draw: frame.with_columns(pl.col("amount_0") * 100), "amount_0", broken=True
    ),
    "a unit changes, × 100, where two thirds are nought": Scenario(
        lambda frame, window, draw: frame.with_columns(pl.col("events_0") * 100), "events_0", broken=True
    ),
    "slow drift, + 0.05 σ a window up to 0.8 σ": Scenario(_slow, "normal_0", windows=16),
}


def customers(rows: int, draw: np.random.Generator) -> pl.DataFrame:
    """Return customers: numbers that depend on one another, counts with many noughts, gaps that may be missing."""
    activity = draw.normal(size=rows)
    columns: dict[str, object] = {}
    for i in range(4):
        mixed = 0.6 * activity + 0.8 * draw.normal(size=rows)
        columns[f"normal_{i}"] = mixed if i else draw.normal(size=rows)
        columns[f"amount_{i}"] = np.exp(3 + 0.9 * mixed).round(2)
        columns[f"events_{i}"] = (draw.uniform(size=rows) < 1 / 3) * (1 + draw.poisson(np.exp(0.5 * mixed)))
        columns[f"gap_{i}"] = np.where(draw.uniform(size=rows) < 0.2, np.nan, draw.exponential(10, rows))
    for name in ("plan", "country", "segment", "channel"):
        columns[name] = draw.choice(np.array(_PLANS), rows, p=[0.6, 0.3, 0.1])
    schema = {feature.name: feature.dtype for feature in FEATURES}
    return pl.DataFrame(columns, schema_overrides=schema, nan_to_null=True, strict=False).cast(schema)  # type: ignore[arg-type]


def references(seed: int) -> tuple[Reference, ...]:
    """Return a reference in which every customer stands at three cutoffs, a little changed."""
    draw = np.random.default_rng([seed, 0])
    people = customers(REFERENCE_CUSTOMERS, draw)
    # Counts stay whole: a hundredth more would be another distribution.
    numbers = pl.col([name for name in _NUMBERS if not name.startswith("events")])
    frame = pl.concat([people.with_columns(numbers * (1 + 0.01 * cutoff)) for cutoff in (-1, 0, 1)])
    return reference_of(frame, FEATURES, _scores(people), cutoffs=CUTOFFS)


def run(scenario: Scenario, seed: int, reference: tuple[Reference, ...]) -> tuple[list[WindowDrift], list[set[str]]]:
    """Return the windows of one seed, and after each of them the columns alarmed about."""
    draw = np.random.default_rng([seed, 1])
    windows: list[WindowDrift] = []
    alarms = []
    for number in range(scenario.windows):
        frame = scenario.change(customers(scenario.customers, draw), number, draw)
        start = _START + timedelta(hours=HOURS * number)
        frame = frame.with_columns(score=_scores(frame))
        windows.append(measure_window(reference, frame, start, start + timedelta(hours=HOURS), SETTINGS))
        alarms.append({drift.name for drift in drifts(reference, windows, SETTINGS) if drift.persistent})
    return windows, alarms


def watch(scenario: Scenario, seeds: int) -> Found:
    """Run a scenario with every seed."""
    alarmed = right = elsewhere = flagged = naive = broken = 0
    after = []
    for seed in range(seeds):
        windows, alarms = run(scenario, seed, references(seed))
        ever = set().union(*alarms)
        # The score follows its features: an alarm about it is no mistake where one of them drifts.
        wrong = ever - ({scenario.column, "score"} if scenario.column else set())
        alarmed += bool(ever)
        right += scenario.column in ever
        elsewhere += bool(wrong)
        flagged += sum(any(column.flagged for column in window.columns) for window in windows)
        naive += sum(any(column.p_value < 0.05 for column in window.columns) for window in windows)
        broken += scenario.column is not None and windows[0].column(scenario.column).broken is not None
        when = [number for number, columns in enumerate(alarms, 1) if scenario.column in columns]
        after += when[:1]
    return Found(seeds, alarmed, right, elsewhere, flagged, naive, broken, tuple(after))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=500)
    parser.add_argument("--write", action="store_true", help="put the table into docs/monitoring.md")
    options = parser.parse_args()
    started = time.process_time()
    rows = []
    for name, scenario in SCENARIOS.items():
        rows.append(_row(name, scenario, watch(scenario, options.seeds)))
        print(" | ".join(rows[-1]), flush=True)
    head = [
        "planted",
        "drift alarm about it",
        "windows until then",
        "called a broken input at once",
        "alarm about anything else",
        "windows flagged",
        "windows with some p < 5%",
    ]
    printed = table(head, rows)
    spent = f"{options.seeds} seeds each, {(time.process_time() - started) / 60:.0f} minutes of CPU."
    if options.write:
        noted = f"\n{circumstances('python -m benchmarks.drift --write')}\n\n{printed}\n\n{spent}\n"
        PAGE.write_text(written(PAGE.read_text(encoding="utf-8"), noted, "drift"), encoding="utf-8")
    print(spent)


def _row(name: str, scenario: Scenario, found: Found) -> list[str]:
    planted = scenario.column is not None
    return [
        name,
        f"{found.right / found.runs:.1%} (≥ 95%)" if planted else "–",
        f"{statistics.median(found.after):.0f}" if found.after else "–",
        f"{found.broken / found.runs:.1%} (≥ 95%)" if scenario.broken else "–",
        f"{found.elsewhere / found.runs:.1%} (≤ {SETTINGS.false_discovery:.0%})",
        f"{found.flagged / found.runs / scenario.windows:.1%}",
        f"{found.naive / found.runs / scenario.windows:.1%}",
    ]


def _scores(frame: pl.DataFrame) -> np.ndarray:
    risk = pl.col("normal_0") * 0.3 + pl.col("normal_1") - pl.col("events_1") * 0.2 + (pl.col("plan") == "basic") * 0.5
    return frame.select(1 / (1 + (-risk).exp())).to_series().to_numpy()


if __name__ == "__main__":
    main()
