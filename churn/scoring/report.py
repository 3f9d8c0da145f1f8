"""What a scoring made, without the scores: for the page, the metadata and the command line."""

import polars as pl

from churn.bundle.bundle import Bundle
from churn.features.tables import CUSTOMER
from churn.frozen import Frozen
from churn.scoring.export import ContactList
from churn.scoring.settings import REASONS
from churn.scoring.table import ScoreLineage, WrittenScores

TOP = 20
_BINS = 40
_STEPS = 60


class TopCustomer(Frozen):
    """One of the first customers of the list."""

    rank: int
    customer: str
    score: float
    expected_profit: float
    topic: str | None
    reasons: tuple[str, ...]


class Topic(Frozen):
    """How many of the contacted have this as their strongest reason, and what contacting them brings."""

    title: str
    customers: int
    expected_profit: float


class ScoreReport(Frozen):
    """One scoring."""

    lineage: ScoreLineage
    table: WrittenScores
    contacts: ContactList
    customers: int
    threshold: float
    break_even: float
    """The score from which on a contact pays by itself."""
    mean_score: float
    expected_profit: float
    """Of contacting those who are to be contacted, in the currency of the costs."""
    expected_churners: float
    """Customers who leave if nobody is contacted: the sum of the scores."""
    reached_churners: float
    """The same among the contacted."""
    histogram: tuple[int, ...]
    """Customers by score, in equal steps from 0 to 1."""
    profit: tuple[tuple[int, float], ...]
    """Expected profit of contacting the first so many."""
    topics: tuple[Topic, ...]
    top: tuple[TopCustomer, ...]


def report_of(
    scored: pl.DataFrame, bundle: Bundle, lineage: ScoreLineage, table: WrittenScores, contacts: ContactList
) -> ScoreReport:
    """Sum up ranked scores."""
    acted = scored.filter("contacted")
    bins = (scored["score"] * _BINS).cast(pl.Int64).clip(0, _BINS - 1).value_counts()
    by_bin = dict(zip(bins["score"], bins["count"], strict=True))
    return ScoreReport(
        lineage=lineage,
        table=table,
        contacts=contacts,
        customers=scored.height,
        threshold=bundle.manifest.threshold,
        break_even=bundle.manifest.settings.costs.break_even,
        mean_score=_sum(scored["score"]) / max(scored.height, 1),
        expected_profit=_sum(acted["expected_profit"]),
        expected_churners=_sum(scored["score"]),
        reached_churners=_sum(acted["score"]),
        histogram=tuple(by_bin.get(at, 0) for at in range(_BINS)),
        profit=_profit(scored),
        topics=_topics(acted),
        top=tuple(_top(row) for row in acted.sort("rank").head(TOP).iter_rows(named=True)),
    )


def _profit(scored: pl.DataFrame) -> tuple[tuple[int, float], ...]:
    total = scored.sort("rank")["expected_profit"].cum_sum()
    at = sorted({round(step / _STEPS * scored.height) for step in range(_STEPS + 1)})
    return tuple((count, float(total[count - 1]) if count else 0.0) for count in at)


def _topics(acted: pl.DataFrame) -> tuple[Topic, ...]:
    sums = acted.group_by("topic").agg(customers=pl.len(), expected_profit=pl.col("expected_profit").sum())
    return tuple(
        Topic(title=topic or "Nothing alone adds much", customers=customers, expected_profit=profit)
        for topic, customers, profit in sums.sort("customers", "topic", descending=[True, False]).rows()
    )


def _top(row: dict[str, object]) -> TopCustomer:
    reasons = tuple(str(row[name]) for name in REASONS if row[name] is not None)
    return TopCustomer.model_validate(
        {name: row[name] for name in ("rank", "score", "expected_profit", "topic")}
        | {"customer": row[CUSTOMER], "reasons": reasons}
    )


def _sum(values: pl.Series) -> float:
    return float(values.sum())
