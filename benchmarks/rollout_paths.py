"""The judge's bets along a whole rollout, at every look: the same terms and bets as the judge's, on plain arrays."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.rollout_world import Flags, Floats, Traffic, Whole
from churn.rollout.baseline import Baseline, Promise, repeats
from churn.rollout.bets import BETS, GRID, Bet, mixed
from churn.rollout.judge import PRIOR
from churn.rollout.metrics import Metric, Outcome, Term, Unit, promotion_terms, rollback_terms, stable_mean, values_of
from churn.rollout.settings import RolloutSettings

EVERY = 50
"""Requests between two looks."""


@dataclass(frozen=True)
class Paths:
    """What the judge would see at each look.

    Attributes:
        looks: requests so far.
        rollback: whether a bet is won and its difference exceeds its margin, by metric.
        won: whether it is won.
        promote: whether the bets that ask for it have all been won so far.
    """

    looks: Whole
    rollback: Mapping[Metric, Flags]
    won: Mapping[Metric, Flags]
    promote: Flags

    def rolled_back(self) -> int | None:
        """Return the requests until the first rollback."""
        return first_of(self.looks, np.logical_or.reduce(list(self.rollback.values())))


def first_of(looks: Whole, flags: Flags) -> int | None:
    """Return the requests at the first look that is flagged."""
    return int(looks[int(flags.argmax())]) if flags.any() else None


def paths(
    traffic: Traffic,
    settings: RolloutSettings,
    baseline: Baseline,
    *,
    promises: Sequence[Metric] | None = None,
    faults: Sequence[Metric] | None = None,
) -> Paths:
    """Follow the bets of a rollout; `promises` and `faults` name the metrics, without them all."""
    walk = _Walk(traffic, settings, baseline)
    needed = {term.metric: -np.log(settings.alpha * term.share) for term in walk.worse}
    worse = [term for term in walk.worse if faults is None or term.metric in faults]
    won = {term.metric: walk.log_e(term) >= needed[term.metric] for term in worse}
    rollback = {term.metric: won[term.metric] & walk.exceeded(term) for term in worse if won[term.metric].any()}
    proofs = [
        np.maximum.accumulate(walk.log_e(term)) >= -np.log(settings.beta)
        for term in walk.no_worse
        if promises is None or term.metric in promises
    ]
    nothing = np.zeros(len(walk.looks), dtype=bool)
    return Paths(walk.looks, rollback or {"errors": nothing}, won, np.logical_and.reduce(proofs) if proofs else nothing)


def first_won(
    traffic: Traffic, settings: RolloutSettings, baseline: Baseline, metric: Metric, unit: Unit
) -> int | None:
    """Return the requests until a bet is won in which a customer counts with `unit`."""
    walk = _Walk(traffic, settings, baseline)
    term = next(term for term in walk.worse if term.metric == metric)
    mean = stable_mean(term.outcome, baseline) if unit == "first" else 0.0
    term = term._replace(unit=unit, bet=Bet(term.bet.side, term.bet.delta, mean))
    return first_of(walk.looks, walk.log_e(term) >= -np.log(settings.alpha * term.share))


def split_odds(traffic: Traffic) -> Floats:
    """Return the log odds against the intended split at every look, as `sample_ratio_log_odds` does for one."""
    odds = np.zeros(len(traffic.who) // EVERY)
    for weight in np.unique(traffic.weight):
        new = traffic.first & (traffic.weight == weight)
        canary, both = (np.cumsum(flags)[EVERY - 1 :: EVERY] for flags in (new & traffic.canary, new))
        odds += _rising(PRIOR * weight, canary) + _rising(PRIOR * (1 - weight), both - canary) - _rising(PRIOR, both)
        odds -= canary * np.log(weight) + (both - canary) * np.log(1 - weight)
    return odds


def _rising(start: float, steps: Whole) -> Floats:
    """Return log Γ(start + steps) / Γ(start)."""
    logs: Floats = np.concatenate([[0.0], np.cumsum(np.log(start + np.arange(steps.max(initial=0))))])
    return logs[steps]


class _Walk:
    def __init__(self, traffic: Traffic, settings: RolloutSettings, baseline: Baseline) -> None:
        self._traffic, self._settings, self._baseline = traffic, settings, baseline
        self.worse = rollback_terms(settings, baseline, Promise())
        self.no_worse = promotion_terms(settings, baseline, Promise())
        self.looks = np.arange(EVERY, len(traffic.who) + 1, EVERY)
        self._look = np.arange(len(traffic.who)) // EVERY
        self._weights, index = np.unique(traffic.weight, return_inverse=True)
        self._cell = index * 2 + traffic.canary
        self._known: dict[tuple[Outcome, str], tuple[Whole, Whole]] = {}
        self._summed: dict[tuple[Outcome, str], tuple[Floats, Floats]] = {}

    def log_e(self, term: Term) -> Floats:
        """Return log E of a term at every look."""
        rows, values = self._units(term.outcome, term.unit)
        growth = np.concatenate([term.bet.growth(weight, values_of(term.outcome)) for weight in self._weights])
        cells, width = len(growth), growth.shape[1]
        if width == 2:
            counts = self._at_looks(rows, self._cell[rows] * width + values, cells * width)
            return mixed(counts @ growth.reshape(cells * width, BETS))
        borders = np.searchsorted(rows, np.append(0, self.looks))
        units = growth.reshape(cells * width, BETS)[np.append(self._cell[rows] * width + values, 0)]
        between = np.add.reduceat(units, borders)[:-1]
        between[np.diff(borders) == 0] = 0.0
        return mixed(np.cumsum(between, axis=0))

    def exceeded(self, term: Term) -> Flags:
        """Tell at every look whether the difference lies beyond the margin."""
        sums, units = self._means(term.shown, term.unit)
        with np.errstate(invalid="ignore", divide="ignore"):
            difference = sums[:, 1] / units[:, 1] - sums[:, 0] / units[:, 0]
        return (
            np.nan_to_num(difference, nan=term.limit) > term.limit
            if term.bet.side == "more"
            else (np.nan_to_num(difference, nan=term.limit) < term.limit)
        )

    def _means(self, outcome: Outcome, unit: str) -> tuple[Floats, Floats]:
        """Return weighted sums and units of both tracks at every look."""
        if (outcome, unit) not in self._summed:
            cells = 2 * len(self._weights)
            rows, values = self._units(outcome, unit)
            exposed = np.flatnonzero(self._traffic.first) if unit == "event" else rows
            units = self._at_looks(exposed, self._cell[exposed], cells)
            sums = self._at_looks(rows, self._cell[rows], cells, values / (GRID if outcome == "score" else 1))
            odds = np.stack([1 / (1 - self._weights), 1 / self._weights], axis=1).reshape(cells)
            shape = (len(self.looks), len(self._weights), 2)
            self._summed[outcome, unit] = (
                (sums * odds).reshape(shape).sum(axis=1),
                (units * odds).reshape(shape).sum(axis=1),
            )
        return self._summed[outcome, unit]

    def _at_looks(self, rows: Whole, cell: Whole, cells: int, amounts: Floats | None = None) -> Floats:
        per = np.bincount(self._look[rows] * cells + cell, amounts, minlength=(len(self.looks) + 1) * cells)
        total: Floats = np.cumsum(per.reshape(-1, cells)[: len(self.looks)], axis=0)
        return total

    def _units(self, outcome: Outcome, unit: str) -> tuple[Whole, Whole]:
        """Return the rows that count and the index of their outcome's value."""
        if (outcome, unit) not in self._known:
            self._known[outcome, unit] = self._find(outcome, unit)
        return self._known[outcome, unit]

    def _find(self, outcome: Outcome, unit: str) -> tuple[Whole, Whole]:
        traffic = self._traffic
        if unit == "event":
            rows = np.flatnonzero(self._shows(outcome))
            people, latest = traffic.who[rows], np.full(int(traffic.who.max()) + 1, len(traffic.who))
            latest[people[::-1]] = rows[::-1]
            rows = rows[latest[people] == rows]
            return rows, np.ones(len(rows), dtype=np.int64)
        rows = np.flatnonzero(traffic.first)
        if outcome in ("score", "repeated", "contacted"):
            rows = rows[~traffic.failed[rows]]
        if outcome == "score":
            return rows, np.rint(traffic.score[rows] * GRID).astype(np.int64)
        shown = repeats(traffic.score[rows]) if outcome == "repeated" else self._shows(outcome)[rows]
        return rows, shown.astype(np.int64)

    def _shows(self, outcome: Outcome) -> Flags:
        traffic = self._traffic
        if outcome == "error":
            return traffic.failed
        if outcome == "contacted":
            return traffic.contacted
        threshold = self._baseline.slow[("median", "q90", "q99").index(outcome.split("_")[1])]
        allowed = self._settings.slowest(threshold) if outcome.startswith("slower") else threshold
        found: Flags = traffic.failed | (traffic.seconds > np.where(traffic.canary, allowed, threshold))
        return found
