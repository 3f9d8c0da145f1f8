"""What is fixed before the canary sees its first customer: stable's habits and what the promotion promised."""

import math

import numpy as np
import polars as pl
from numpy.typing import NDArray

from churn.errors import ChurnError
from churn.frozen import Frozen
from churn.rollout.bets import Array
from churn.rollout.settings import RolloutSettings

QUANTILES = (0.5, 0.9, 0.99)
_DISCRETE = 0.1
"""Share of held-out customers whose score two others had, from which on a model counts as discrete."""


class UnfitBaseline(ChurnError):
    """Stable's requests do not say how it behaves."""


class Baseline(Frozen):
    """Stable as it was before the rollout.

    Shares only make the bets better; no error of theirs makes a verdict wrong. The thresholds define what slow means.

    Attributes:
        requests: how many it was taken from.
        errors: share of requests without a usable answer.
        slow: thresholds of latency in seconds, at the median, 90 % and 99 % quantile of stable's answers.
        slower: shares of requests above them; failed ones count as above.
        contacted: share of answered requests whose customer is contacted.
        score: mean score.
        repeated: share of scores that two earlier ones had already.
    """

    requests: int
    errors: float
    slow: tuple[float, float, float]
    slower: tuple[float, float, float]
    contacted: float
    score: float
    repeated: float


class Shift(Frozen):
    """A difference of two models, the new one minus the one that stands, and its standard error."""

    value: float = 0.0
    error: float = 0.0


class Promise(Frozen):
    """How far the new model was seen to differ on the newest customers; a live canary must keep to it."""

    score: Shift = Shift()
    contacted: Shift = Shift()
    repeated: Shift = Shift()
    discrete: bool = False
    """Whether one of the models gives so few different scores that repeats say nothing: their share grows with the
    number of customers, and a tree gives few scores to many."""


def baseline_of(requests: pl.DataFrame, settings: RolloutSettings) -> Baseline:
    """Freeze how stable behaves.

    Args:
        requests: as the judge takes them; what the canary was assigned is left out.
        settings: how many it takes.

    Raises:
        UnfitBaseline: there are fewer requests than the settings ask for, or none of them was answered.
    """
    stable = requests.filter(pl.col("canary").not_().fill_null(False))
    if stable.height < settings.baseline_requests:
        raise UnfitBaseline(
            f"baseline: stable has answered {stable.height:,} requests and rollout.baseline_requests asks for "
            f"{settings.baseline_requests:,}; wait, or lower it"
        )
    usable = usable_score()
    failed = stable.select((pl.col("failed").fill_null(True) | ~usable).alias("failed"))["failed"]
    good = stable.filter(~failed).filter(
        pl.col("seconds").is_finite() & pl.col("score").is_not_null() & pl.col("contacted").is_not_null()
    )
    if good.height < settings.baseline_requests / 2:
        raise UnfitBaseline(
            f"baseline: only {good.height:,} of stable's {stable.height:,} requests have an answer with score and "
            "latency; see the prediction log, and repair stable before a rollout"
        )
    answered = good["seconds"].to_numpy()
    # Of answers alone: beside failures, which exceed every threshold, the 99 % quantile would say nothing of slowness.
    slow = [float(np.quantile(answered, q, method="higher")) for q in QUANTILES]
    seconds = np.concatenate([answered, np.full(int(failed.sum()), np.inf)])
    first = good.filter(pl.col("customer").is_null() | pl.col("customer").is_first_distinct())
    return Baseline(
        requests=stable.height,
        errors=float(failed.sum()) / stable.height,
        slow=(slow[0], slow[1], slow[2]),
        slower=(_above(seconds, slow[0]), _above(seconds, slow[1]), _above(seconds, slow[2])),
        contacted=float(first["contacted"].cast(pl.Float64).to_numpy().mean()),
        score=float(first["score"].to_numpy().mean()),
        repeated=float(repeats(first["score"].to_numpy()).mean()),
    )


def promise_of(mine: Array, theirs: Array, my_threshold: float, their_threshold: float) -> Promise:
    """Measure the shift from the model that stands (`theirs`) to the new one (`mine`) on the same held-out rows.

    Args:
        mine: scores of the new bundle, one a customer.
        theirs: scores of the bundle that stands, for the same customers in the same order.
        my_threshold: the score from which on the new bundle contacts a customer.
        their_threshold: the same of the other.

    Raises:
        UnfitBaseline: there are too few rows, or a score is no probability.
    """
    if len(mine) != len(theirs) or len(mine) < 2:
        raise UnfitBaseline(
            f"promise: {len(mine):,} and {len(theirs):,} held-out scores; it needs both models on the same rows"
        )
    for scores in (mine, theirs):
        if not (np.isfinite(scores).all() and scores.min() >= 0 and scores.max() <= 1):
            raise UnfitBaseline("promise: a held-out score is no probability; score the rows with the bundle again")
    my_repeats, their_repeats = repeats(mine).astype(float), repeats(theirs).astype(float)
    return Promise(
        score=_shift(mine - theirs),
        contacted=_shift((mine >= my_threshold).astype(float) - (theirs >= their_threshold)),
        repeated=_shift(my_repeats - their_repeats),
        discrete=max(my_repeats.mean(), their_repeats.mean()) > _DISCRETE,
    )


def repeats(scores: Array) -> NDArray[np.bool_]:
    """Tell for each score whether at least two earlier ones were exactly the same."""
    order = np.argsort(scores, kind="stable")
    ordered = scores[order]
    found = np.zeros(len(scores), dtype=bool)
    found[order[2:]] = ordered[2:] == ordered[:-2]
    return found


def usable_score() -> pl.Expr:
    """Tell that a score is missing or a probability; NaN and what lies outside of 0 and 1 is an error of the track."""
    score = pl.col("score")
    return score.is_null() | (score.is_not_nan() & score.is_between(0, 1))


def _above(seconds: Array, threshold: float) -> float:
    return float((seconds > threshold).mean())


def _shift(differences: Array) -> Shift:
    return Shift(value=float(differences.mean()), error=float(differences.std(ddof=1)) / math.sqrt(len(differences)))
