"""What is bet on: every metric's outcome, unit and margin, for the rollback and for the promotion."""

from collections.abc import Iterator
from typing import Literal, NamedTuple

from churn.rollout.baseline import Baseline, Promise, Shift
from churn.rollout.bets import BINARY, GRADED, Array, Bet, Side
from churn.rollout.settings import RolloutSettings

Metric = Literal[
    "errors",
    "latency_median",
    "latency_q90",
    "latency_q99",
    "contacted_more",
    "contacted_less",
    "score_higher",
    "score_lower",
    "constant_score",
]
Outcome = Literal[
    "error",
    "slow_median",
    "slow_q90",
    "slow_q99",
    "slower_median",
    "slower_q90",
    "slower_q99",
    "contacted",
    "score",
    "repeated",
]
"""`slow` holds both tracks to stable's quantile, `slower` the canary to the quantile times the margin."""
Unit = Literal["first", "event"]
"""A customer counts once: with the first request, or with the first request that shows the outcome."""

EVENTS: tuple[Outcome, ...] = ("error", "slow_q99", "slower_q99")
"""Outcomes so rare that most customers never show them; of the others, the first request tells more."""


class Term(NamedTuple):
    """One bet of the judge.

    Attributes:
        share: of alpha; 1 where the bet has to be won for a promotion.
        shown: the outcome whose difference is held against `limit`.
        limit: the margin, as a difference of the tracks' means.
    """

    metric: Metric
    outcome: Outcome
    unit: Unit
    bet: Bet
    share: float
    shown: Outcome
    limit: float

    def exceeded(self, difference: float) -> bool:
        """Tell whether a difference lies beyond the margin, on the side of the rollback."""
        return difference > self.limit if self.bet.side == "more" else difference < self.limit


class _Rule(NamedTuple):
    metric: Metric
    side: Side
    outcome: Outcome
    beyond: Outcome
    promotes: bool


_RULES = (
    _Rule("errors", "more", "error", "error", True),
    _Rule("latency_median", "more", "slow_median", "slower_median", True),
    _Rule("latency_q90", "more", "slow_q90", "slower_q90", True),
    _Rule("latency_q99", "more", "slow_q99", "slower_q99", False),
    _Rule("contacted_more", "more", "contacted", "contacted", True),
    _Rule("contacted_less", "less", "contacted", "contacted", True),
    _Rule("score_higher", "more", "score", "score", True),
    _Rule("score_lower", "less", "score", "score", True),
    _Rule("constant_score", "more", "repeated", "repeated", False),
)


def values_of(outcome: Outcome) -> Array:
    """Return the values an outcome can take, in the order in which they are counted."""
    return GRADED if outcome == "score" else BINARY


def stable_mean(outcome: Outcome, baseline: Baseline) -> float:
    """Return stable's mean of an outcome before the rollout, the m of a bet."""
    means: dict[Outcome, float] = {
        "error": baseline.errors,
        "contacted": baseline.contacted,
        "score": baseline.score,
        "repeated": baseline.repeated,
    }
    for name, above in zip(("median", "q90", "q99"), baseline.slower, strict=True):
        means |= {f"slow_{name}": above, f"slower_{name}": above}  # type: ignore[dict-item]
    return means[outcome]


def rollback_terms(settings: RolloutSettings, baseline: Baseline, promise: Promise) -> tuple[Term, ...]:
    """Return the bets that the canary is worse; the first one won is a rollback."""
    return tuple(_rollback_terms(settings, baseline, promise))


def promotion_terms(settings: RolloutSettings, baseline: Baseline, promise: Promise) -> tuple[Term, ...]:
    """Return the bets that the canary is no worse than the margins allow; all of them are to be won."""
    terms = []
    for rule in _RULES:
        if rule.promotes:
            limit = _limit(rule, settings, promise)
            bet = Bet("less" if rule.side == "more" else "more", limit, stable_mean(rule.beyond, baseline))
            terms.append(Term(rule.metric, rule.beyond, "first", bet, 1.0, rule.beyond, limit))
    return tuple(terms)


def _rollback_terms(settings: RolloutSettings, baseline: Baseline, promise: Promise) -> Iterator[Term]:
    for rule in _RULES:
        if rule.outcome == "repeated" and promise.discrete:
            continue
        limit, share = _limit(rule, settings, promise), _share(rule, settings)
        if settings.mode == "strict":
            bet = Bet(rule.side, limit, stable_mean(rule.beyond, baseline))
            yield Term(rule.metric, rule.beyond, "first", bet, share, rule.beyond, limit)
        elif rule.outcome in EVENTS:
            yield Term(rule.metric, rule.outcome, "event", Bet(rule.side, 0.0), share, rule.beyond, limit)
        else:
            shift, leeway = _promised(rule, promise), settings.promise_errors * _promised(rule, promise).error
            allowed = shift.value + (leeway if rule.side == "more" else -leeway)
            bet = Bet(rule.side, allowed, stable_mean(rule.outcome, baseline))
            yield Term(rule.metric, rule.outcome, "first", bet, share, rule.beyond, limit)


def _limit(rule: _Rule, settings: RolloutSettings, promise: Promise) -> float:
    margins: dict[Outcome, float] = {
        "error": settings.error_margin,
        "contacted": settings.decision_margin,
        "score": settings.score_margin,
        "repeated": settings.constant_margin,
    }
    margin = margins.get(rule.outcome, 0.0)
    return _promised(rule, promise).value + (margin if rule.side == "more" else -margin)


def _promised(rule: _Rule, promise: Promise) -> Shift:
    shifts: dict[Outcome, Shift] = {
        "contacted": promise.contacted,
        "score": promise.score,
        "repeated": promise.repeated,
    }
    return shifts.get(rule.outcome, Shift())


def _share(rule: _Rule, settings: RolloutSettings) -> float:
    shares: dict[Outcome, float] = {
        "error": settings.error_weight,
        "contacted": settings.decision_weight,
        "score": settings.score_weight,
        "repeated": settings.constant_weight,
    }
    return shares.get(rule.outcome, settings.latency_weight)
