"""A cluster's requests as the judge reads them: the prediction log, and the failures that only the executors count."""

from collections.abc import Mapping
from datetime import datetime, timedelta

import polars as pl

from churn.rollout.requests import REQUESTS
from seldon.cluster.executor import failures
from seldon.cluster.history import History

_SEEN = pl.Schema({name: REQUESTS[name] for name in REQUESTS if name != "weight"})


def requests(
    records: pl.DataFrame,
    grown: pl.DataFrame,
    seen: Mapping[str, datetime],
    history: History,
    since: datetime,
    complete: datetime,
) -> pl.DataFrame:
    """Return one row a prediction asked for, in their order, as `churn.rollout` reads them.

    The ingress draws a track for each request, by the weights; so whose requests they are does not matter for the odds,
    and a customer's first request decides where the customer counts. A failed request left no record: it comes from
    the executors' counters, without a customer. Canary requests at weight nought are copies; so is, while a shadow
    gives way to a weight, one whose original stable has answered. What stable gets while the canary has all is left
    out.

    Args:
        records: of the prediction log.
        grown: what the executors' counters grew by.
        seen: when Prometheus last heard of each track.
        history: the canary's share over time.
        since: the first moment.
        complete: up to when records are sure to be there.
    """
    by_stable = records.filter(track="stable")["request_id"]
    answered = records.select(
        pl.col("event_time").alias("at"),
        pl.col("customer_id").alias("customer"),
        canary=pl.col("track") == "canary",
        twin=pl.col("request_id").is_in(by_stable.implode()),
        failed=pl.lit(False),
        seconds=pl.col("latency_ms") / 1e3,
        score="score",
        contacted="contacted",
        expected_score="expected_score",
    )
    failed = failures(grown).select("at", canary=pl.col("track") == "canary", failed=pl.lit(True))
    nobody = pl.DataFrame(schema=_SEEN)
    both = pl.concat([nobody, answered, failed], how="diagonal").sort("at", maintain_order=True)
    until = min([complete, *_known_until(answered, seen, history)])
    weighed = history.weighed(both.filter(pl.col("at") >= since, pl.col("at") <= until))
    copied = ~pl.col("settled") & pl.col("canary") & (pl.col("before") == 0) & pl.col("twin").fill_null(True)
    weighed = weighed.with_columns(weight=pl.when(copied).then(0.0).otherwise("weight"))
    copies_on_stable = pl.col("settled") & (pl.col("weight") == 1) & ~pl.col("canary")
    return weighed.filter(~copies_on_stable).select(REQUESTS.names())


def _known_until(answered: pl.DataFrame, seen: Mapping[str, datetime], history: History) -> list[datetime]:
    """Return up to when failures are known: a track that nobody has heard of hides its own, so its requests wait."""
    began = history.canary_since()
    ends = []
    for track, canary in (("stable", False), ("canary", True)):
        if canary and began is None:
            continue
        own = answered.filter(pl.col("canary") == canary)
        if canary:
            own = own.filter(pl.col("at") >= began)
        first = own["at"].min()
        if track in seen:
            ends.append(seen[track])
        elif isinstance(first, datetime):
            ends.append(first - timedelta(microseconds=1))
    return ends
