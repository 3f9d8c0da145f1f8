"""What can be judged without the model: how much was asked, how fast and how well answered, how fresh the data is."""

from datetime import datetime, timedelta

import polars as pl

from churn.frozen import Frozen
from churn.ingestion.journal import journal_url
from churn.lake.files import local_or_url
from churn.lake.table import Pinned, open_table

_DAY = timedelta(hours=24)


class Answers(Frozen):
    """Requests of a window at the gateway, the stable track's alone."""

    requests: int
    failed: int


class Traffic(Frozen):
    """The predictions of a window.

    Attributes:
        rows: predictions.
        customers: distinct ones; a prediction without a customer counts as one.
        p50: median of the server's latency in milliseconds; none where nothing was logged.
        p99: its 99 % quantile.
        contacted: share of the customers whom the model would contact.
        score: mean score of the customers.
        answers: requests at the gateway; none where nobody can tell.
    """

    rows: int
    customers: int
    p50: float | None
    p99: float | None
    contacted: float | None
    score: float | None
    answers: Answers | None


class StreamQuarantine(Frozen):
    """What one stream brought within a day."""

    stream: str
    read: int
    quarantined: int

    @property
    def share(self) -> float:
        """Share of the rows read that went to quarantine."""
        return self.quarantined / self.read if self.read else 0.0


class DataHealth(Frozen):
    """The data behind the model.

    Attributes:
        newest_activity: when the newest event happened that was known; none without any.
        closed_until: end of the last landing hour of predictions that was read; none before the first.
        quarantine: of the last day, by stream.
    """

    newest_activity: datetime | None
    closed_until: datetime | None
    quarantine: tuple[StreamQuarantine, ...]


def traffic_of(rows: pl.DataFrame, customers: pl.DataFrame, answers: Answers | None) -> Traffic:
    """Sum a window up.

    Args:
        rows: every prediction.
        customers: one row a customer.
        answers: what the gateway says.
    """
    latency = rows["latency_ms"].cast(pl.Float64)
    known = customers.height > 0
    return Traffic(
        rows=rows.height,
        customers=customers.height,
        p50=latency.quantile(0.5),
        p99=latency.quantile(0.99),
        contacted=float(customers["contacted"].cast(pl.Float64).to_numpy().mean()) if known else None,
        score=float(customers["score"].to_numpy().mean()) if known else None,
        answers=answers,
    )


def data_health(lake_url: str, activity: Pinned | None, at: datetime) -> DataHealth:
    """Read the journal of the ingestion, as it was at a moment."""
    newest = None
    if activity is not None:
        known = activity.scan(["event_time", "available_at"]).filter(pl.col("available_at") <= at)
        newest = known.select(pl.col("event_time").max()).collect().item()
    journal = open_table(journal_url(local_or_url(lake_url)))
    if journal is None:
        return DataHealth(newest_activity=newest, closed_until=None, quarantine=())
    columns = ["stream", "committed_at", "closed_until", "read", "quarantined"]
    rows = journal.scan(columns).filter(pl.col("committed_at") <= at).collect()
    closed = rows.filter(stream="predictions")["closed_until"].max()
    recent = (
        rows.filter(pl.col("committed_at") > at - _DAY)
        .group_by("stream")
        .agg(pl.col("read", "quarantined").sum())
        .sort("stream")
    )
    return DataHealth(
        newest_activity=newest,
        closed_until=closed if isinstance(closed, datetime) else None,
        quarantine=tuple(StreamQuarantine(**row) for row in recent.iter_rows(named=True)),
    )
