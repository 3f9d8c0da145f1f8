"""Made-up canary rollouts: customers who come back unevenly often and stick to a track, and what can go wrong."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from churn.rollout.requests import REQUESTS

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Whole = NDArray[np.int64]
Ramp = tuple[tuple[float, int | None], ...]
"""Weights of the canary, each with the customers it is to meet; none: the rest."""

START = datetime(2026, 1, 1, tzinfo=UTC)
CUSTOMERS = 80_000
DEFAULT_RAMP: Ramp = ((0.05, 2_000), (0.25, 6_000), (0.5, None))
CONTACT_FROM = 0.4


@dataclass(frozen=True)
class Canary:
    """How the canary differs from stable.

    Attributes:
        errors_times: factor of every customer's own share of errors.
        errors_plus: added to the share of errors, on average over customers.
        errors_on: share of the customers whom that addition hits.
        slower: factor of the latency.
        higher: added to the score.
        same_decisions: decisions follow the score without what was added to it.
        constant: share of answers with the score 0.5.
        begins: the request from which on any of it is so.
        contacts: added to the share of contacted customers, by decisions that do not follow from the score.
    """

    errors_times: float = 1.0
    errors_plus: float = 0.0
    errors_on: float = 1.0
    slower: float = 1.0
    higher: float = 0.0
    same_decisions: bool = False
    constant: float = 0.0
    contacts: float = 0.0
    begins: int = 0


@dataclass(frozen=True)
class Traffic:
    """The requests of one rollout in their order; `first` marks a customer's first, `seen` counts customers so far."""

    who: Whole
    first: Flags
    seen: Whole
    weight: Floats
    canary: Flags
    failed: Flags
    seconds: Floats
    score: Floats
    contacted: Flags

    def frame(self) -> pl.DataFrame:
        """Return it as the judge reads it, with a millisecond between requests."""
        score = [None if failed else value for failed, value in zip(self.failed, self.score, strict=True)]
        return pl.DataFrame(
            {
                "at": [START + timedelta(milliseconds=i) for i in range(len(self.who))],
                "customer": [str(customer) for customer in self.who],
                "canary": self.canary,
                "weight": self.weight,
                "failed": self.failed,
                "seconds": self.seconds,
                "score": score,
                "contacted": self.contacted,
                "expected_score": score,
            },
            schema=REQUESTS,
        )


class World:
    """Customers with habits; `sticky` without: every request is a customer of its own.

    A customer's volume is log-normal (σ = 1.5: the busiest hundredth sends a fifth of all requests); the share of
    errors is Beta(0.1, 9.9), mean 1 % and mostly on few customers; latency is log-normal with half of its variance
    (σ² = 0.98 in all) between customers; the score is the customer's own, up to a spread of 0.01.
    """

    def __init__(self, sticky: bool = True) -> None:
        draw = np.random.default_rng(20260101)
        volume = draw.lognormal(0, 1.5, CUSTOMERS)
        self._sticky = sticky
        # Drawn once and drawn from afterwards: gamma variates are dear.
        self._error_shares, self._scores = draw.beta(0.1, 9.9, 500_000), 0.05 + 0.9 * draw.beta(2, 6, 500_000)
        self._pool = np.repeat(np.arange(CUSTOMERS), draw.multinomial(2_000_000, volume / volume.sum()))

    def traffic(self, seed: int, requests: int, ramp: Ramp, canary: Canary) -> Traffic:
        """Return one rollout; with fewer requests it is the beginning of the same."""
        streams = iter(np.random.Generator(np.random.SFC64([seed, i])) for i in range(12))
        who = np.arange(requests)
        if self._sticky:
            who = self._pool[(next(streams).random(requests) * len(self._pool)).astype(np.int64)]
        people = CUSTOMERS if self._sticky else requests
        latest = np.full(people, requests)
        latest[who[::-1]] = np.arange(requests)[::-1]
        first = latest[who] == np.arange(requests)
        seen = np.cumsum(first)
        weight = _weights(seen, ramp)
        on_canary = next(streams).random(people)[who] < weight
        spoilt = on_canary & (np.arange(requests) >= canary.begins)
        errors = self._error_shares[next(streams).integers(0, len(self._error_shares), people)]
        hit = next(streams).random(people) < canary.errors_on
        worse = np.minimum(errors * canary.errors_times + hit * canary.errors_plus / canary.errors_on, 1.0)
        failed = next(streams).random(requests) < np.where(spoilt, worse[who], errors[who])
        habit, chance = next(streams).standard_normal(people), next(streams).standard_normal(requests)
        seconds = 0.005 * np.exp(0.7 * habit[who] + 0.7 * chance) * np.where(spoilt, canary.slower, 1.0)
        habitual = self._scores[next(streams).integers(0, len(self._scores), people)]
        base = habitual[who] + 0.01 * next(streams).standard_normal(requests)
        base = np.clip(base, 0.0, 1.0)
        score = np.clip(base + spoilt * canary.higher, 0.0, 1.0)
        stuck = spoilt & (next(streams).random(requests) < canary.constant)
        score[stuck] = 0.5
        contacted = (base if canary.same_decisions else score) >= CONTACT_FROM
        anew = spoilt & (next(streams).random(requests) < _flips(canary.contacts, contacted))
        contacted = np.where(anew, canary.contacts > 0, contacted)
        return Traffic(who, first, seen, weight, on_canary, failed, seconds, score, contacted)


def _weights(seen: Whole, ramp: Ramp) -> Floats:
    ends = np.cumsum([customers or len(seen) + 1 for _, customers in ramp])
    weights: Floats = np.array([weight for weight, _ in ramp])[np.searchsorted(ends, seen, side="left")]
    return weights


def _flips(difference: float, contacted: Flags) -> float:
    """Return the share of the other decision that is turned, so that contacts differ by `difference`."""
    share = float(contacted.mean())
    return difference / (1 - share) if difference > 0 else -difference / share
