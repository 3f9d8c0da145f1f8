"""How often the judge of a canary is wrong, and how soon it is right: `python -m benchmarks.rollout`.

Simulates rollouts of customers who come back unevenly often and stick to a track, and looks at each after every 50
requests; `--write` puts the tables into docs/rollout.md. Next to it stands a rule of fixed thresholds, as canary
controllers are usually given one.
"""

import argparse
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.rollout_paths import first_of, first_won, paths, split_odds
from benchmarks.rollout_world import DEFAULT_RAMP, START, Canary, Ramp, Traffic, World
from benchmarks.tables import circumstances, table, written
from churn.rollout.baseline import Baseline, Promise, baseline_of
from churn.rollout.judge import judge
from churn.rollout.metrics import Metric, Unit
from churn.rollout.settings import RolloutSettings

PAGE = Path(__file__).parents[1] / "docs" / "rollout.md"
SETTINGS, STRICT = RolloutSettings(), RolloutSettings(mode="strict")
REQUESTS = 80_000
"""The cap of a simulated rollout; about 28,000 customers send them."""
SAME = Canary()
FAULTS: Mapping[str, Canary] = {
    "errors 1 → 3 %": Canary(errors_times=3.0),
    "errors 1 → 3 %, on every tenth customer": Canary(errors_plus=0.02, errors_on=0.1),
    "latency × 1.5": Canary(slower=1.5),
    "latency × 3": Canary(slower=3.0),
    "scores + 0.05": Canary(higher=0.05),
    "scores − 0.05": Canary(higher=-0.05),
    "10 % constant scores": Canary(constant=0.1),
    "every request fails": Canary(errors_plus=1.0),
    "errors 1 → 3 %, from request 20,000 on": Canary(errors_times=3.0, begins=20_000),
    "latency × 3, from request 20,000 on": Canary(slower=3.0, begins=20_000),
}
AT_MARGIN: Mapping[str, tuple[Canary, Metric]] = {
    "errors + 0.5 points": (Canary(errors_plus=0.005), "errors"),
    "errors + 0.5 points, all on every twentieth customer": (Canary(errors_plus=0.005, errors_on=0.05), "errors"),
    "latency × 1.2, at the median": (Canary(slower=1.2), "latency_median"),
    "latency × 1.2, at the 90 % quantile": (Canary(slower=1.2), "latency_q90"),
    "3 points more contacts": (Canary(contacts=0.03), "contacted_more"),
    "3 points fewer contacts": (Canary(contacts=-0.03), "contacted_less"),
    "scores + 0.02": (Canary(higher=0.02, same_decisions=True), "score_higher"),
    "scores − 0.02": (Canary(higher=-0.02, same_decisions=True), "score_lower"),
}
HALF_A_MARGIN: Mapping[str, Canary] = {
    "errors + 0.25 points": Canary(errors_plus=0.0025),
    "latency × 1.1": Canary(slower=1.1),
    "1.5 points more contacts": Canary(contacts=0.015),
    "scores + 0.01": Canary(higher=0.01, same_decisions=True),
}
FIXED: Mapping[str, Ramp] = {"5 %": ((0.05, None),), "25 %": ((0.25, None),), "50 %": ((0.5, None),)}
UNITS: tuple[Unit, ...] = ("first", "event")
_WINDOWS, _WINDOW = 5, 2_000


@dataclass(frozen=True)
class Alarms:
    """What happened in rollouts of a canary that is exactly like stable.

    Attributes:
        rolled_back: rollouts with a rollback at any look, also after a promotion.
        won: the same without asking whether the difference exceeds its margin.
        invalid: rollouts whose split was doubted.
        promoted: requests until the proof was complete; infinity where it never was.
    """

    rollouts: int
    rolled_back: int
    won: int
    invalid: int
    promoted: tuple[float, ...]

    def promoted_by(self, requests: int) -> float:
        """Return the share promoted within so many requests."""
        return sum(needed <= requests for needed in self.promoted) / self.rollouts


@dataclass(frozen=True)
class Detection:
    """Rollouts of a faulty canary: requests, customers and the canary's customers until the rollback, where it came."""

    rollouts: int
    requests: tuple[int, ...]
    customers: tuple[int, ...]
    on_canary: tuple[int, ...]

    @property
    def share(self) -> float:
        """Return the share that was rolled back within the cap."""
        return len(self.requests) / self.rollouts


def baseline(world: World) -> Baseline:
    """Return stable's habits, from requests before every rollout."""
    return baseline_of(world.traffic(10**6, 40_000, ((0.5, None),), SAME).frame(), SETTINGS)


def alarms(world: World, rollouts: int, settings: RolloutSettings = SETTINGS, requests: int = REQUESTS) -> Alarms:
    """Roll out canaries that are exactly like stable."""
    known, rolled_back, won, invalid, promoted = baseline(world), 0, 0, 0, []
    for seed in range(rollouts):
        traffic = world.traffic(seed, requests, DEFAULT_RAMP, SAME)
        path = paths(traffic, settings, known)
        rolled_back += path.rolled_back() is not None
        won += any(bool(flags.any()) for flags in path.won.values())
        invalid += bool((split_odds(traffic) >= np.log(settings.sample_ratio)).any())
        promoted.append(float(first_of(path.looks, path.promote) or np.inf))
    return Alarms(rollouts, rolled_back, won, invalid, tuple(promoted))


def false_promotions(world: World, name: str, rollouts: int, requests: int = REQUESTS) -> int:
    """Count the canaries at the very margin of one metric that were ever shown to be no worse in it."""
    canary, metric = AT_MARGIN[name]
    known = baseline(world)
    return sum(
        bool(
            paths(
                world.traffic(seed, requests, DEFAULT_RAMP, canary), SETTINGS, known, promises=[metric], faults=[]
            ).promote.any()
        )
        for seed in range(rollouts)
    )


def detection(
    world: World, canary: Canary, ramp: Ramp, rollouts: int, settings: RolloutSettings = SETTINGS
) -> Detection:
    """Roll out a faulty canary until it is rolled back, or the cap is reached."""
    known = baseline(world)
    found = []
    for seed in range(rollouts):
        for length in (REQUESTS // 16, REQUESTS // 4, REQUESTS):
            traffic = world.traffic(seed, length, ramp, canary)
            at = paths(traffic, settings, known, promises=[]).rolled_back()
            if at is not None:
                found.append((at, int(traffic.seen[at - 1]), int((traffic.first & traffic.canary)[:at].sum())))
                break
    requests, customers, on_canary = zip(*found, strict=True) if found else ((), (), ())
    return Detection(rollouts, tuple(requests), tuple(customers), tuple(on_canary))


def fixed_thresholds(world: World, canary: Canary, ramp: Ramp, rollouts: int, allowed: int) -> float:
    """Return the share of rollouts that a rule of fixed thresholds ends.

    The canary fails a window of 2,000 requests with more than 2 % errors, or a p99 above 1.3 times stable's; five
    windows are looked at, and more than `allowed` failed ones end the rollout. The rule does not know of scores.
    """
    ended = 0
    for seed in range(rollouts):
        traffic = world.traffic(seed, _WINDOWS * _WINDOW, ramp, canary)
        ended += sum(_fails(traffic, slice(i * _WINDOW, (i + 1) * _WINDOW)) for i in range(_WINDOWS)) > allowed
    return ended / rollouts


def _fails(traffic: Traffic, window: slice) -> bool:
    canary, failed, seconds = traffic.canary[window], traffic.failed[window], traffic.seconds[window]
    mine, theirs = seconds[canary & ~failed], seconds[~canary & ~failed]
    return bool(failed[canary].mean() > 0.02 or np.quantile(mine, 0.99) > 1.3 * np.quantile(theirs, 0.99))


def judgement_cost(world: World, requests: int = 1_000_000) -> float:
    """Return the CPU seconds of one judgement over so many requests, as a frame in memory."""
    known, rows = baseline(world), world.traffic(0, requests, DEFAULT_RAMP, SAME).frame()
    started = time.process_time()
    judge(rows, settings=SETTINGS, baseline=known, promise=Promise(), step=3, since=START, now=START)
    return time.process_time() - started


def main() -> None:
    """Simulate, print and perhaps write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rollouts", type=int, default=10_000, help="of a canary like stable; others are fewer")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/rollout.md")
    options = parser.parse_args()
    started = time.process_time()
    parts = []
    for part in _report(World(), World(sticky=False), options.rollouts):
        print(part, end="\n\n", flush=True)
        parts.append(part)
    parts.append(f"All of it took {(time.process_time() - started) / 60:.0f} minutes of CPU.")
    printed = "\n\n".join(parts)
    if options.write:
        noted = f"\n{circumstances('python -m benchmarks.rollout --write')}\n\n{printed}\n"
        PAGE.write_text(written(PAGE.read_text(encoding="utf-8"), noted, "rollout"), encoding="utf-8")


def _report(world: World, strangers: World, rollouts: int) -> Iterator[str]:
    fewer = max(rollouts // 20, 1)
    yield f"### Canaries exactly like stable: {rollouts:,} rollouts of {REQUESTS:,} requests, a look every 50"
    yield _like_stable(world, rollouts)
    yield f"### Canaries at the margin: {rollouts // 10:,} rollouts each"
    rows = []
    for name in AT_MARGIN:
        shown = false_promotions(world, name, rollouts // 10)
        rows.append([name, f"{shown / (rollouts // 10):.2%} (≤ {SETTINGS.beta:.0%})"])
    yield table(["the canary's difference", "ever shown to be no worse"], rows)
    yield f"### Canaries half a margin worse, which either verdict would suit: {fewer:,} rollouts each"
    yield table(
        ["the canary's difference", "rolled back", "shown to be no worse", "neither by the cap"],
        [_between(world, name, fewer) for name in HALF_A_MARGIN],
    )
    yield f"### Faulty canaries: {fewer:,} rollouts each, along the steps 5, 25 and 50 %"
    yield table(
        [
            "fault",
            "rolled back",
            "requests",
            "customers",
            "of them on the canary",
            "nine in ten by",
            "strict: requests",
        ],
        [_found(world, name, fewer) for name in FAULTS],
    )
    yield f"### The same at one weight, median requests: {fewer // 5:,} rollouts each"
    yield table(
        ["fault", *(f"{name}" for name in FIXED), *(f"{name}, no customer comes twice" for name in FIXED)],
        [_by_weight(world, strangers, name, fewer // 5) for name in FAULTS],
    )
    yield f"### What a customer counts with, median requests until the bet is won: {fewer:,} rollouts each, as above"
    yield table(["metric and fault", "the first request", "the first event"], list(_by_unit(world, fewer)))
    yield f"### A rule of fixed thresholds ends the rollout: {fewer:,} rollouts each, five windows of 2,000 requests"
    heads = [f"{name}, {rule}" for rule in ("one failed window", "three failed windows") for name in FIXED]
    yield table(
        ["canary", *heads],
        [
            [
                name,
                *(
                    f"{fixed_thresholds(world, canary, ramp, fewer, allowed):.0%}"
                    for allowed in (0, 2)
                    for ramp in FIXED.values()
                ),
            ]
            for name, canary in {"exactly like stable": SAME, **FAULTS}.items()
            if not canary.begins
        ],
    )
    cost = statistics.median(judgement_cost(world) for _ in range(3))
    yield f"One judgement over 1,000,000 requests in one look takes {cost:.2f} s of CPU (≤ 1)."


def _like_stable(world: World, rollouts: int) -> str:
    found = alarms(world, rollouts)
    strict = alarms(world, rollouts // 10, STRICT)
    rows = [
        ["rolled back", f"{found.rolled_back / rollouts:.2%} (≤ {SETTINGS.alpha:.0%})"],
        ["a bet won, its margin left aside", f"{found.won / rollouts:.2%} (≤ {SETTINGS.alpha:.0%})"],
        [f"rolled back in strict mode, of {rollouts // 10:,}", f"{strict.rolled_back / strict.rollouts:.2%}"],
        ["split doubted", f"{found.invalid / rollouts:.2%} (≤ {1 / SETTINGS.sample_ratio:.1%})"],
        *(
            [f"shown to be no worse by {requests:,} requests", f"{found.promoted_by(requests):.1%}"]
            for requests in (10_000, 20_000, 40_000, 60_000, 80_000)
        ),
    ]
    return table(["of all rollouts", "share"], rows)


def _found(world: World, name: str, rollouts: int) -> list[str]:
    fast = detection(world, FAULTS[name], DEFAULT_RAMP, rollouts)
    strict = detection(world, FAULTS[name], DEFAULT_RAMP, rollouts // 2, STRICT)
    return [
        name,
        f"{fast.share:.1%}",
        *(_median(figures) for figures in (fast.requests, fast.customers, fast.on_canary)),
        f"{np.quantile(fast.requests, 0.9):,.0f}" if fast.requests else "–",
        f"{_median(strict.requests)} ({strict.share:.0%})",
    ]


def _between(world: World, name: str, rollouts: int) -> list[str]:
    known, ends = baseline(world), []
    for seed in range(rollouts):
        path = paths(world.traffic(seed, REQUESTS, DEFAULT_RAMP, HALF_A_MARGIN[name]), SETTINGS, known)
        back, on = path.rolled_back() or np.inf, first_of(path.looks, path.promote) or np.inf
        ends.append("neither" if min(back, on) == np.inf else "back" if back <= on else "on")
    return [name, *(f"{ends.count(end) / rollouts:.0%}" for end in ("back", "on", "neither"))]


def _by_weight(world: World, strangers: World, name: str, rollouts: int) -> list[str]:
    found = [detection(of, FAULTS[name], ramp, rollouts) for of in (world, strangers) for ramp in FIXED.values()]
    return [name, *(f"{_median(one.requests)}{'' if one.share >= 0.99 else f' ({one.share:.0%})'}" for one in found)]


def _by_unit(world: World, rollouts: int) -> Iterator[list[str]]:
    known = baseline(world)
    compared: tuple[tuple[Metric, str], ...] = (
        ("errors", "errors 1 → 3 %"),
        ("latency_q99", "latency × 1.5"),
        ("latency_q90", "latency × 1.5"),
        ("latency_median", "latency × 1.5"),
    )
    for metric, fault in compared:
        shown = []
        for unit in UNITS:
            won = [
                first_won(world.traffic(seed, REQUESTS, DEFAULT_RAMP, FAULTS[fault]), SETTINGS, known, metric, unit)
                for seed in range(rollouts)
            ]
            found = [requests for requests in won if requests is not None]
            shown.append(f"{_median(found)} ({len(found) / rollouts:.0%})")
        yield [f"{metric.replace('_', ' ')}, {fault}", *shown]


def _median(figures: Sequence[int]) -> str:
    return f"{statistics.median(figures):,.0f}" if figures else "–"


if __name__ == "__main__":
    main()
