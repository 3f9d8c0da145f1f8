"""The report of a rollout: bounds over time, every step's verdict and what it rests on; one file, nothing fetched."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from churn.bundle import card
from churn.frozen import Frozen
from churn.rollout import drawing
from churn.rollout.history import Look, thinned
from churn.rollout.metrics import Metric
from churn.rollout.verdict import MetricEvidence, RolloutVerdict

TITLES: dict[Metric, str] = {
    "errors": "Errors",
    "latency_median": "Latency, median",
    "latency_q90": "Latency, slowest tenth",
    "latency_q99": "Latency, slowest hundredth",
    "contacted_more": "More contacts",
    "contacted_less": "Fewer contacts",
    "score_higher": "Higher scores",
    "score_lower": "Lower scores",
    "constant_score": "Repeated scores",
}
_ENDINGS = {
    "PROMOTE": "The canary takes over",
    "ROLLBACK": "Rolled back",
    "INCONCLUSIVE": "Not decided",
    "INVALID": "The data cannot be trusted",
}


class RolloutFacts(Frozen):
    """What the page is about.

    Attributes:
        canary: version of the canary.
        stable: version it stood beside.
        deployment: where.
        lines: further facts, such as digests or what a rollback cost, as name and value.
    """

    canary: str
    stable: str
    deployment: str
    lines: tuple[tuple[str, str], ...] = ()


class _Row(NamedTuple):
    title: str
    kind: str
    found: str
    range: str
    margin: str
    odds: str
    needed: str
    worse: bool
    proof: str
    cleared: bool


def rollout_page(history: Sequence[Look], verdicts: Sequence[RolloutVerdict], facts: RolloutFacts) -> str:
    """Return the page.

    Args:
        history: every look, or some of them, in their order.
        verdicts: the last one of every step that began, in their order; at least one.
        facts: what it is about.
    """
    folders = [Path(__file__).parent, Path(card.__file__).parent]
    environment = Environment(
        loader=FileSystemLoader(folders), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters.update(svg=Markup, sentence=lambda text: f"{text[:1].upper()}{text[1:]}.")
    last, looks = verdicts[-1], [look for look in thinned(history) if look.requests]
    metrics = {metric.metric: metric for metric in last.evidence.metrics}
    return environment.get_template("rollout.html.j2").render(
        facts=facts,
        last=last,
        ending=_ENDINGS[last.decision],
        evidence=last.evidence,
        odds=drawing.evidence_chart(looks, metrics, fast=last.evidence.mode == "fast") if looks else "",
        legend=[(TITLES[name], name) for name in metrics],
        bounds=[(title, words, drawing.bounds_chart(looks, *pair)) for title, words, pair in _pairs(metrics)]
        if looks
        else [],
        rows=[_row(metric) for metric in last.evidence.metrics],
        steps=verdicts,
    )


def _pairs(
    metrics: dict[Metric, MetricEvidence],
) -> Iterator[tuple[str, str, tuple[MetricEvidence, MetricEvidence | None]]]:
    """Name what is drawn: the upper limit's metric and the lower one's, where there is one."""
    yield "Errors", "share of failed requests", (metrics["errors"], None)
    yield (
        "Latency, median",
        "share slower than stable's median, canary's with its margin",
        (
            metrics["latency_median"],
            None,
        ),
    )
    yield (
        "Latency, slowest tenth",
        "share slower than stable's 90 % quantile, canary's with its margin",
        (
            metrics["latency_q90"],
            None,
        ),
    )
    yield "Contacts", "share of customers that are contacted", (metrics["contacted_more"], metrics["contacted_less"])
    yield "Scores", "mean score", (metrics["score_higher"], metrics["score_lower"])


def _range(metric: MetricEvidence) -> str:
    if metric.unit == "event":
        return "of customers, ever"
    return f"{drawing.signed(metric.low)} to {drawing.signed(metric.high)}" if metric.low is not None else ""


def _row(metric: MetricEvidence) -> _Row:
    asked = metric.promote_log_e is not None and metric.promote_needed is not None
    return _Row(
        TITLES[metric.metric],
        metric.metric,
        drawing.signed(metric.difference),
        _range(metric),
        f"{'at most' if metric.side == 'more' else 'at least'} {drawing.signed(metric.margin)}",
        drawing.odds(metric.log_e),
        drawing.odds(metric.needed),
        metric.won,
        f"{drawing.odds(metric.promote_log_e or 0.0)} of {drawing.odds(metric.promote_needed or 0.0)}" if asked else "",
        metric.cleared,
    )
