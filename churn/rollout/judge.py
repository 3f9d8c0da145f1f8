"""The judge: counts in, a verdict out; valid at every look, and what is missing never promotes."""

import math
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Literal

import polars as pl

from churn.rollout.baseline import Baseline, Promise
from churn.rollout.counters import Counters, Signals, doubts
from churn.rollout.evidence import log_evidence, measured, tracks
from churn.rollout.metrics import Metric, promotion_terms, rollback_terms
from churn.rollout.settings import RolloutSettings, RolloutStep
from churn.rollout.tally import Block, Tally
from churn.rollout.verdict import MetricEvidence, RolloutDecision, RolloutEvidence, RolloutVerdict

PRIOR = 20.0
"""How firmly the sample-ratio test believes in the intended split before it has seen any, in customers."""


class Judge:
    """One rollout, from its first request on; a rollout that starts anew needs a new one, and spends alpha anew."""

    def __init__(self, settings: RolloutSettings, baseline: Baseline, promise: Promise) -> None:
        self._settings = settings
        self._tally = Tally(baseline, settings)
        self._worse = rollback_terms(settings, baseline, promise)
        self._no_worse = {term.metric: term for term in promotion_terms(settings, baseline, promise)}
        self._best: dict[Metric, float] = dict.fromkeys(self._no_worse, 0.0)

    def add(self, requests: pl.DataFrame) -> None:
        """Take in requests that follow those already taken in; each once, when its prediction is known.

        Raises:
            UnfitRequests: a column is missing or has another type.
        """
        self._tally.add(requests)
        for metric, term in self._no_worse.items():
            self._best[metric] = max(self._best[metric], log_evidence(term, self._tally.comparing))

    def verdict(
        self,
        step: int,
        *,
        since: datetime,
        now: datetime,
        counters: Sequence[Counters] = (),
        signals: Signals | None = None,
    ) -> RolloutVerdict:
        """Judge the rollout where it stands.

        Args:
            step: index of the step that runs.
            since: when it began.
            now: the time.
            counters: the gateway's, from the rollout's beginning to now.
            signals: what the gateway and the health checks say.
        """
        settings, tally = self._settings, self._tally
        running = settings.steps[step]
        weight = round(running.weight / 100, 6)
        block = tally.blocks.get(weight, Block(weight))
        odds = sample_ratio_log_odds(tally.comparing)
        stable, canary = tracks(tally)
        evidence = RolloutEvidence(
            step=step,
            weight=running.weight,
            since=since,
            at=now,
            mode=settings.mode,
            stable=stable,
            canary=canary,
            customers=int(block.customers[1] if running.weight == 0 else block.customers.sum()),
            verified=block.verified,
            wrong_scores=tally.wrong_scores,
            furthest_score=tally.furthest_score,
            failures_in_a_row=tally.failures_in_a_row,
            failing=tally.failing,
            sample_ratio_log_odds=odds,
            doubts=tuple(self._doubts(odds, counters)),
            metrics=tuple(
                measured(term, self._no_worse.get(term.metric), self._best.get(term.metric), tally, settings)
                for term in self._worse
            ),
        )
        decision, reason = self._decide(evidence, running, block, signals or Signals())
        return RolloutVerdict(
            decision=decision,
            reason=reason,
            ended=_ended(evidence, running) if decision != "PROMOTE" else None,
            evidence=evidence,
        )

    def _doubts(self, odds: float, counters: Sequence[Counters]) -> Iterator[str]:
        if odds >= math.log(self._settings.sample_ratio):
            yield (
                f"customers are not split as intended: {_intended(self._tally.comparing)}, odds of "
                f"{math.exp(min(odds, 700)):,.0f} to 1 against it"
            )
        yield from doubts(counters, self._tally, self._settings)

    def _decide(
        self, evidence: RolloutEvidence, step: RolloutStep, block: Block, signals: Signals
    ) -> tuple[RolloutDecision, str]:
        fatal = [*_fatal(evidence, signals, self._settings), *_worse(evidence)]
        if fatal:
            doubtful = f" (and the data are in doubt: {evidence.doubts[0]})" if evidence.doubts else ""
            return "ROLLBACK", f"{fatal[0]}{doubtful}"
        if evidence.doubts:
            return "INVALID", evidence.doubts[0]
        missing = [*_missing(evidence, step, block, self._settings), *(_unproven(evidence) if step.proof else ())]
        if missing:
            return "INCONCLUSIVE", missing[0]
        if step.proof:
            return "PROMOTE", "the canary was shown to be no worse than the margins allow, in every metric"
        return "PROMOTE", f"nothing speaks against the canary after {evidence.customers:,} customers"


def judge(
    requests: pl.DataFrame,
    *,
    settings: RolloutSettings,
    baseline: Baseline,
    promise: Promise,
    step: int,
    since: datetime,
    now: datetime,
    counters: Sequence[Counters] = (),
    signals: Signals | None = None,
) -> RolloutVerdict:
    """Judge a rollout from all of its requests in one look; `Judge` does it piece by piece.

    Raises:
        UnfitRequests: a column is missing or has another type.
    """
    bench = Judge(settings, baseline, promise)
    bench.add(requests)
    return bench.verdict(step, since=since, now=now, counters=counters, signals=signals)


def sample_ratio_log_odds(blocks: Sequence[Block]) -> float:
    """Return log odds against the intended split (Lindon & Malek 2020), a beta-binomial over the binomial it should be.

    Valid at every look; over weights the odds multiply.
    """
    return sum(
        _log_beta(block.units[1] + PRIOR * block.weight, block.units[0] + PRIOR * (1 - block.weight))
        - _log_beta(PRIOR * block.weight, PRIOR * (1 - block.weight))
        - float(block.units[1]) * math.log(block.weight)
        - float(block.units[0]) * math.log(1 - block.weight)
        for block in blocks
    )


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def _intended(blocks: Sequence[Block]) -> str:
    return " and ".join(
        f"{int(block.units[1]):,} of {int(block.units.sum()):,} on the canary at {block.weight:.0%}" for block in blocks
    )


def _fatal(evidence: RolloutEvidence, signals: Signals, settings: RolloutSettings) -> Iterator[str]:
    if signals.wrong_digest is not None:
        yield f"the canary serves {signals.wrong_digest} instead of the approved bundle"
    if signals.unhealthy is not None:
        yield f"the canary is not healthy: {signals.unhealthy}"
    failures = max(signals.failures_in_a_row, evidence.failures_in_a_row)
    if failures >= settings.failures_in_a_row:
        yield f"the canary failed {failures:,} times in a row"
    if evidence.wrong_scores:
        yield (
            f"{evidence.wrong_scores:,} of the canary's scores differ from its bundle's for the same input, by up to "
            f"{evidence.furthest_score:.2g}"
        )


def _worse(evidence: RolloutEvidence) -> Iterator[str]:
    beyond = [metric for metric in evidence.metrics if metric.won and _exceeds(metric)]
    for metric in sorted(beyond, key=lambda metric: metric.needed - metric.log_e):
        yield (
            f"{metric.metric.replace('_', ' ')}: the canary differs by {metric.difference:+.4f} where "
            f"{metric.margin:+.4f} is allowed, odds of {math.exp(min(metric.log_e, 700)):,.0f} to 1"
        )


def _exceeds(metric: MetricEvidence) -> bool:
    if metric.difference is None:
        return False
    return metric.difference > metric.margin if metric.side == "more" else metric.difference < metric.margin


def _missing(evidence: RolloutEvidence, step: RolloutStep, block: Block, settings: RolloutSettings) -> Iterator[str]:
    for name, track in (("stable", 0), ("the canary", 1)):
        if not block.customers[track]:
            yield f"no request has reached {name} at {step.weight} % yet"
    if evidence.customers < step.customers:
        yield f"{evidence.customers:,} of the {step.customers:,} customers this step asks for"
    if evidence.verified < settings.verified:
        yield (
            f"{evidence.verified:,} of the {settings.verified:,} scores that are to be compared with the bundle's in "
            "this step"
        )
    if evidence.failing:
        yield "the canary's last request failed"


def _unproven(evidence: RolloutEvidence) -> Iterator[str]:
    asked = [metric for metric in evidence.metrics if metric.promote_needed is not None]
    for metric in sorted(asked, key=lambda metric: metric.promote_log_e or 0.0):
        if not metric.cleared:
            yield f"not yet shown to be no worse: {metric.metric.replace('_', ' ')}"


def _ended(evidence: RolloutEvidence, step: RolloutStep) -> Literal["cap", "deadline"] | None:
    if evidence.at - evidence.since >= timedelta(hours=step.hours):
        return "deadline"
    return "cap" if evidence.customers >= step.cap else None
