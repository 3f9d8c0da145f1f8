"""The gateway's requests as the judge reads them: the access log, joined with what the servers wrote down."""

from datetime import datetime, timedelta

import polars as pl

from churn.rollout.requests import REQUESTS
from seldon.gateway.folder import DeploymentFolder
from seldon.gateway.prediction_log import PredictionLog

_ACCESS = pl.Schema(
    {
        "at": pl.String(),
        "request_id": pl.String(),
        "customer": pl.String(),
        "prediction": pl.Boolean(),
        "assigned": pl.String(),
        "weight": pl.Int64(),
        "mirror": pl.Boolean(),
        "code": pl.Int64(),
        "details": pl.String(),
        "microseconds": pl.Int64(),
        "attempts": pl.Int64(),
        "track": pl.String(),
    }
)


def requests(
    folder: DeploymentFolder, log: PredictionLog, since: datetime, now: datetime, within: timedelta
) -> pl.DataFrame:
    """Return one row a prediction asked for, in their order, as `churn.rollout` reads them.

    `failed` is everything but a good answer by the assigned track at its first attempt: also a rescue by the other
    track, and a 4xx, which clients cause on both tracks alike. A request that was mirrored has a second row, of the
    canary at weight nought; a copy without a record has failed. The frame ends before the first request whose record
    may still be on its way to the prediction log, `within` that time, so that failures, which need none, do not arrive
    ahead of the rest.
    """
    asked, records = _access(folder, since), log.records(since, now)
    joined = asked.join(records, on=["request_id", "track"], how="left", maintain_order="left")
    both = pl.concat([joined, _copies(asked, records)], how="diagonal").sort("at", maintain_order=True)
    due = ~pl.col("failed") | pl.col("copy").fill_null(False)
    awaited = both.filter(due & pl.col("score").is_null() & (pl.col("at") > now - within))
    if awaited.height:
        both = both.filter(pl.col("at") < awaited["at"].min())
    return both.select(*REQUESTS.names(), pl.col("refused").fill_null(False))


def _copies(asked: pl.DataFrame, records: pl.DataFrame) -> pl.DataFrame:
    """Return what the canary made of its copies; only good requests are expected there, and time is its own."""
    mirrored = asked.filter(pl.col("mirror") & ~pl.col("failed")).drop("track", "seconds")
    own = records.filter(track="canary").drop("track")
    return mirrored.join(own, on="request_id", how="left", maintain_order="left").with_columns(
        canary=pl.lit(True), copy=pl.lit(True), failed=pl.col("score").is_null(), seconds=pl.col("latency_ms") / 1e3
    )


def _access(folder: DeploymentFolder, since: datetime) -> pl.DataFrame:
    rolled = [path for path in folder.access_log.parent.glob("access-*.jsonl") if _younger(path.stat().st_mtime, since)]
    lines = b"".join(_whole_lines(path.read_bytes()) for path in (*sorted(rolled), folder.access_log) if path.exists())
    frame = pl.read_ndjson(lines, schema=_ACCESS) if lines else pl.DataFrame(schema=_ACCESS)
    canary = pl.col("assigned").str.starts_with("canary-")
    answered_by_another = (pl.col("track") == "canary") != canary
    whole = pl.col("code").is_between(200, 299) & (pl.col("details") == "via_upstream")
    good = whole & (pl.col("attempts") <= 1) & ~answered_by_another
    return (
        frame.with_columns(at=pl.col("at").str.to_datetime("%Y-%m-%dT%H:%M:%S%.f", time_unit="us", time_zone="UTC"))
        .filter(pl.col("at") >= since, pl.col("prediction"))
        .with_columns(
            canary=canary,
            weight=pl.col("weight") / 100,
            failed=~good.fill_null(False),
            refused=(pl.col("code").is_between(400, 499) & (pl.col("code") != 429)).fill_null(False),
            seconds=pl.col("microseconds") / 1e6,
        )
        .sort("at", maintain_order=True)
    )


def _younger(modified: float, since: datetime) -> bool:
    return modified >= since.timestamp()


def _whole_lines(content: bytes) -> bytes:
    """Leave out a last line that is still being written."""
    return content[: content.rfind(b"\n") + 1]
