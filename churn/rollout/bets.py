"""Betting on the difference of two tracks: evidence that stays valid however often one looks at it.

Waudby-Smith & Ramdas (2023), "Estimating means of bounded random variables by betting"; Shekhar & Ramdas (2023),
"Nonparametric two-sample testing by betting". A unit with outcome y in [0, 1], sent to the canary with probability w,
pays φ = (y − m)/w there and −(y − m)/(1 − w) on stable, so that E[φ] is the difference of the tracks' means whatever
the baseline m. Where the hypothesis holds, the wealth of a gambler who bets against it exceeds x with probability at
most 1/x (Ville), at any time.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Counts = NDArray[np.int64]
Side = Literal["more", "less"]

BETS = 10
_SHARES = 0.95 * 2.0 ** -np.arange(BETS)
GRID = 1_000
"""Steps into which an outcome between 0 and 1 is rounded, so that counts hold everything; the mean moves < 0.0005."""
BINARY: Array = np.array([0.0, 1.0])
GRADED: Array = np.arange(GRID + 1) / GRID


@dataclass(frozen=True)
class Bet:
    """A bet against a hypothesis.

    Attributes:
        side: `more` bets that the canary's mean lies further above stable's than `delta`, `less` that it lies below.
        delta: the difference the hypothesis allows.
        baseline: m, which only has to be fixed beforehand; the closer to the truth, the faster the wealth grows.
    """

    side: Side
    delta: float
    baseline: float = 0.0

    def growth(self, weight: float, values: Array) -> Array:
        """Return the log growth of one unit: tracks (stable, canary) × values × stakes."""
        pays = payoffs(weight, values, self.baseline)
        least, most = payoffs(weight, BINARY, self.baseline).min(), payoffs(weight, BINARY, self.baseline).max()
        if self.side == "more":
            gains, bound = pays - self.delta, self.delta - least
        else:
            gains, bound = self.delta - pays, most - self.delta
        stakes: Array = _SHARES / max(bound, 1e-9)
        return np.log1p(gains[:, :, None] * stakes)

    def wealth(self, weight: float, values: Array, counts: Counts) -> Array:
        """Return the log wealth of every stake after units counted as tracks × values."""
        return np.tensordot(counts, self.growth(weight, values), axes=2)


def payoffs(weight: float, values: Array, baseline: float) -> Array:
    """Return φ as tracks (stable, canary) × values."""
    centred = values - baseline
    return np.stack([-centred / (1 - weight), centred / weight])


def mixed(wealth: Array) -> Array:
    """Return log E: the logarithm of the mean wealth over the stakes, which are the last axis."""
    most = wealth.max(axis=-1)
    result: Array = most + np.log(np.exp(wealth - most[..., None]).mean(axis=-1))
    return result
