"""What Seldon's executors have counted.

`seldon_api_executor_server_requests_seconds_count` counts the requests that reach a predictor, by `deployment_name`,
`predictor_name`, `service` and `code`; docs.seldon.ai, "Metrics with Prometheus". Each pod counts for itself, from 0.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from statistics import median
from typing import Final

import polars as pl

from churn.rollout.counters import Counters, TrackCounters
from seldon.cluster.prometheus import Series
from seldon.gateway.state import TRACKS

METRIC: Final = "seldon_api_executor_server_requests_seconds_count"
_PREDICTIONS: Final = ".*(predictions|predict|infer)"
_ODDLY_FEW: Final = 60.0
"""Seconds between two samples, where there is but one."""
_INCREASES: Final = pl.Schema(
    {
        "after": pl.Datetime("us", "UTC"),
        "at": pl.Datetime("us", "UTC"),
        "track": pl.String(),
        "good": pl.Boolean(),
        "requests": pl.Int64(),
    }
)


def selector(deployment: str, namespace: str, namespace_label: str) -> str:
    """Return what a deployment's predictions are asked for by."""
    tracks = "|".join(TRACKS)
    labels = f'deployment_name="{deployment}",predictor_name=~"{tracks}",service=~"{_PREDICTIONS}"'
    within = f',{namespace_label}="{namespace}"' if namespace_label else ""
    return f"{METRIC}{{{labels}{within}}}"


def increases(series: Sequence[Series], since: datetime) -> pl.DataFrame:
    """Return by how much counters grew: one row a track, outcome and pair of samples, `after` < `at`.

    A counter that falls was restarted, and has counted from nought again. One whose first sample comes later than the
    samples' usual distance after `since` began at nought as well.
    """
    rows = [row for one in series for row in _increases(one, since.timestamp())]
    return pl.DataFrame(rows, _INCREASES, orient="row").sort("at", maintain_order=True)


def last_seen(series: Sequence[Series]) -> dict[str, datetime]:
    """Return when each track was last asked for its counters."""
    found: dict[str, float] = {}
    for one in series:
        track = one.labels.get("predictor_name", "")
        found[track] = max(found.get(track, 0.0), one.samples[-1][0] if one.samples else 0.0)
    return {track: _moment(at) for track, at in found.items() if at}


def failures(grown: pl.DataFrame) -> pl.DataFrame:
    """Return one row a failed request: `at` and `track`.

    When between two samples it was, nobody knows. They are spread evenly, among the good answers of that time: all at
    once they would look like a canary that is dead.
    """
    share = (pl.col("each") + 0.5) / pl.col("requests")
    return (
        grown.filter(~pl.col("good"), pl.col("requests") > 0)
        .with_columns(pl.int_ranges(0, "requests").alias("each"))
        .explode("each")
        .select(pl.col("after") + (pl.col("at") - pl.col("after")) * share, "track")
        .rename({"after": "at"})
    )


def counters_since(grown: pl.DataFrame, seen: Sequence[str], began: datetime) -> Counters:
    """Add up what was counted after a moment; None for a track that Prometheus knows nothing of.

    What lies between the moment and the next sample is left out: the counters never run ahead of the log.
    """
    later = grown.filter(pl.col("after") >= began)

    def total(track: str) -> TrackCounters | None:
        if track not in seen:
            return None
        of_track = later.filter(track=track)
        return TrackCounters(
            started=f"prometheus since {began.isoformat()}",
            requests=int(of_track["requests"].sum()),
            failed=int(of_track.filter(~pl.col("good"))["requests"].sum()),
        )

    return Counters(stable=total("stable"), canary=total("canary"))


def _increases(one: Series, since: float) -> Iterator[tuple[datetime, datetime, str, bool, int]]:
    samples = one.samples
    if not samples:
        return
    track, good = one.labels.get("predictor_name", ""), one.labels.get("code", "").startswith("2")
    between = median([b - a for (a, _), (b, _) in pairwise(samples)]) if len(samples) > 1 else _ODDLY_FEW
    first, value = samples[0]
    if first - since > 1.5 * between:
        yield _moment(first - between), _moment(first), track, good, round(value)
    for (before, had), (at, has) in pairwise(samples):
        yield _moment(before), _moment(at), track, good, round(has - had if has >= had else has)


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
