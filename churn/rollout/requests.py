"""The requests that the judge reads, and what each of them shows."""

import polars as pl

from churn.errors import ChurnError
from churn.rollout.baseline import Baseline, usable_score
from churn.rollout.settings import RolloutSettings

REQUESTS = pl.Schema(
    {
        "at": pl.Datetime("us", "UTC"),
        "customer": pl.String(),
        "canary": pl.Boolean(),
        "weight": pl.Float64(),
        "failed": pl.Boolean(),
        "seconds": pl.Float64(),
        "score": pl.Float64(),
        "contacted": pl.Boolean(),
        "expected_score": pl.Float64(),
    }
)
"""One row a request that came through the gateway, after its retries; docs/rollout.md says what each column means."""


class UnfitRequests(ChurnError):
    """A frame of requests that is not what the judge reads."""


def read(requests: pl.DataFrame, baseline: Baseline, settings: RolloutSettings) -> pl.DataFrame:
    """Return the requests in their order, with what each of them shows.

    Adds `track` (1: canary), `who` (a hash; every request without a customer is its own), `lost`, `wrong` (its score is
    not the bundle's) and one column an outcome; an outcome that cannot be known is null.

    Raises:
        UnfitRequests: a column is missing or has another type.
    """
    if faults := [
        f"{name} is {requests.schema.get(name, 'missing')} instead of {kind}"
        for name, kind in REQUESTS.items()
        if requests.schema.get(name) != kind
    ]:
        raise UnfitRequests(f"requests for the judge: {'; '.join(faults)}; see REQUESTS in churn/rollout/requests.py")
    if not requests["at"].is_sorted():
        requests = requests.sort("at", maintain_order=True)
    seconds, score, expected = pl.col("seconds"), pl.col("score"), pl.col("expected_score")
    error = pl.col("failed").fill_null(True) | ~usable_score() | seconds.is_nan().fill_null(False)
    answered = ~pl.col("error")
    known = pl.col("at").is_not_null() & pl.col("canary").is_not_null() & pl.col("weight").is_between(0, 1)
    told = seconds.is_not_null() & score.is_not_null() & pl.col("contacted").is_not_null()
    right = ((score - expected).abs() <= settings.score_tolerance) & expected.is_not_nan()
    slow: dict[str, pl.Expr] = {}
    for name, threshold in zip(("median", "q90", "q99"), baseline.slow, strict=True):
        wide = pl.when(pl.col("canary")).then(settings.slowest(threshold)).otherwise(threshold)
        slow |= {
            f"slow_{name}": pl.col("error") | (seconds > threshold),
            f"slower_{name}": pl.col("error") | (seconds > wide),
        }
    return (
        requests.select(REQUESTS.names())
        .with_columns(error=error)
        .with_columns(
            **slow,
            weight=pl.col("weight").round(6),
            track=pl.col("canary").cast(pl.Int64),
            who=pl.when(pl.col("customer").is_not_null()).then(pl.col("customer").hash()),
            lost=~(known.fill_null(False) & (pl.col("error") | told)),
            verified=score.is_not_null() & expected.is_not_null(),
            wrong=(score.is_not_null() & expected.is_not_null() & ~right.fill_null(False)) & pl.col("canary"),
            contacted=pl.when(answered).then(pl.col("contacted")),
            score=pl.when(answered).then(score),
        )
    )
