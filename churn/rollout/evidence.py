"""From counts to evidence: what each bet has won, and how far apart the tracks are."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from churn.rollout.bets import Counts, mixed
from churn.rollout.metrics import Outcome, Term, Unit, values_of
from churn.rollout.settings import RolloutSettings
from churn.rollout.tally import Block, Tally, quantile
from churn.rollout.verdict import MetricEvidence, TrackEvidence, UnitCounts

_HALVINGS = 14


def log_evidence(term: Term, blocks: Sequence[Block]) -> float:
    """Return log E of a term; the wealth of each stake carries over from one weight to the next."""
    wealth = [
        term.bet.wealth(block.weight, values_of(term.outcome), _counts(block, term.outcome, term.unit))
        for block in blocks
    ]
    return float(mixed(np.sum(wealth, axis=0))) if wealth else 0.0


def measured(
    worse: Term, no_worse: Term | None, best: float | None, tally: Tally, settings: RolloutSettings
) -> MetricEvidence:
    """Return everything known about one metric."""
    blocks = tally.comparing
    low, high = (None, None) if no_worse is None else _band(no_worse, blocks, math.log(1 / settings.beta))
    return MetricEvidence(
        metric=worse.metric,
        outcome=worse.outcome,
        unit=worse.unit,
        side=worse.bet.side,
        delta=worse.bet.delta,
        baseline=worse.bet.baseline,
        share=worse.share,
        log_e=log_evidence(worse, blocks),
        needed=math.log(1 / (settings.alpha * worse.share)),
        difference=_difference(worse.shown, worse.unit, blocks),
        margin=worse.limit,
        counts=tuple(_unit_counts(block, worse.outcome, worse.unit) for block in blocks),
        promote_log_e=best,
        promote_needed=None if no_worse is None else math.log(1 / settings.beta),
        estimate=_difference(worse.shown, "first", blocks),
        low=low,
        high=high,
    )


def tracks(tally: Tally) -> tuple[TrackEvidence, TrackEvidence]:
    """Return stable and canary; the canary's copies in shadow cost nobody and are left out of its figures."""
    blocks = tally.comparing
    nothing = np.zeros_like(Block(0.5).latency)
    latency: Counts = sum((block.latency for block in blocks), nothing)

    def track(side: int) -> TrackEvidence:
        return TrackEvidence(
            requests=int(sum(block.requests[side] for block in blocks)),
            failed=int(sum(block.failed[side] for block in blocks)),
            lost=int(tally.lost[side]),
            customers=int(sum(block.units[side] for block in blocks)),
            p50=quantile(latency[side], 0.5),
            p99=quantile(latency[side], 0.99),
        )

    return track(0), track(1)


def _counts(block: Block, outcome: Outcome, unit: Unit) -> Counts:
    return block.events[outcome] if unit == "event" else block.firsts[outcome]


def _difference(outcome: Outcome, unit: Unit, blocks: Sequence[Block]) -> float | None:
    """Estimate the difference of the tracks' means, each customer weighted by the inverse of the track's probability.

    Each mean is over the track's own weights, so that another split than intended does not look like a difference. For
    `event` the means are shares of customers who have met with the outcome.
    """
    sums, units = np.zeros(2), np.zeros(2)
    for block in blocks:
        counts, odds = _counts(block, outcome, unit), np.array([1 / (1 - block.weight), 1 / block.weight])
        sums += odds * (counts @ values_of(outcome))
        units += odds * (block.units if unit == "event" else counts.sum(axis=1))
    return float(sums[1] / units[1] - sums[0] / units[0]) if units.all() else None


def _band(term: Term, blocks: Sequence[Block], needed: float) -> tuple[float | None, float | None]:
    """Return the differences that bets at `needed` have not refuted, valid over all looks."""
    centre = _difference(term.outcome, term.unit, blocks)
    if centre is None:
        return None, None

    def refuted(side: str, delta: float) -> bool:
        bet = replace(term.bet, side="more" if side == "more" else "less", delta=delta)
        return log_evidence(term._replace(bet=bet), blocks) >= needed

    ends = []
    for side, end in (("more", -1.0), ("less", 1.0)):
        inside, outside = min(max(centre, -1.0), 1.0), end
        if not refuted(side, outside):
            ends.append(outside)
            continue
        for _ in range(_HALVINGS):
            middle = (inside + outside) / 2
            inside, outside = (inside, middle) if refuted(side, middle) else (middle, outside)
        ends.append(outside)
    return ends[0], ends[1]


def _unit_counts(block: Block, outcome: Outcome, unit: Unit) -> UnitCounts:
    counts = _counts(block, outcome, unit)
    sums, units = counts @ values_of(outcome), block.units if unit == "event" else counts.sum(axis=1)
    return UnitCounts(
        weight=block.weight,
        stable=int(units[0]),
        stable_sum=float(sums[0]),
        canary=int(units[1]),
        canary_sum=float(sums[1]),
    )
