"""The evidence page: what the person who decides sees, and what stays of the decision; one file, nothing fetched."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from churn.bundle import card
from churn.evaluation.bootstrap import Estimate
from churn.promotion.drawing import difference
from churn.promotion.evidence import Comparison, Contestant, Difference, Evidence, SegmentEvidence
from churn.promotion.limits import Limited, limited, shown
from churn.promotion.verdict import Check, CheckName, Verdict

_TITLES: dict[CheckName, str] = {
    "readable": "Everything could be read",
    "complete": "No figure is missing",
    "another_model": "Another model than the incumbent",
    "held_out": "Held out from both models",
    "undecided": "The test cutoff decides once",
    "parity": "Served as trained",
    "enough_customers": "Enough customers",
    "roc_auc_floor": "ROC-AUC above the floor",
    "over_recency": "Better than sorting by recency",
    "over_base_rate": "Better than a constant",
    "over_nobody": "Earns more than contacting nobody",
    "roc_auc": "Ranks no worse than the incumbent",
    "brier": "Calibrated no worse than the incumbent",
    "profit": "Earns more than the incumbent",
    "segments_roc_auc": "Ranks every group of customers",
    "segments_brier": "Calibrated for every group",
    "fresh_snapshot": "The candidate's data is fresh",
    "fresh_data": "The lake is fresh",
}


def evidence_page(evidence: Evidence, verdict: Verdict) -> str:
    """Return the page; limits and outcomes are those of the verdict's checks."""
    folders = [Path(__file__).parent, Path(card.__file__).parent]
    environment = Environment(
        loader=FileSystemLoader(folders), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters.update(svg=Markup, sentence=lambda text: f"{text[:1].upper()}{text[1:]}.")
    comparison = evidence.comparison
    return environment.get_template("evidence.html.j2").render(
        evidence=evidence,
        verdict=verdict,
        comparison=comparison,
        contests=list(_contests(evidence, comparison, verdict)) if comparison else [],
        checks=[(_TITLES[check.name], check) for check in verdict.checks],
        segments=_segments(comparison, verdict) if comparison else {},
        facts=list(_facts(evidence)),
    )


class _Shown(NamedTuple):
    title: str
    mine: str
    theirs: str
    drawing: str
    words: str
    passed: bool


def _contests(evidence: Evidence, comparison: Comparison, verdict: Verdict) -> Iterator[tuple[str, str, list[_Shown]]]:
    sample, mine, base = comparison.sample, comparison.candidate, comparison.baselines
    every = (
        f"Version {evidence.candidate.version} minus the other on the same {sample.rows:,} customers, with "
        f"{sample.confidence:.0%} intervals from {sample.rounds:,} resamples."
    )
    if evidence.incumbent and comparison.incumbent and comparison.over_incumbent:
        theirs, over = comparison.incumbent, comparison.over_incumbent
        yield (
            f"Against version {evidence.incumbent.version}",
            f"{every} Intervals must end on the shaded side; profit is held to its share of the resamples.",
            [
                _drawn("ROC-AUC", "roc_auc", mine.roc_auc, theirs.roc_auc, over.roc_auc, verdict),
                _drawn("Brier score", "brier", mine.brier, theirs.brier, over.brier, verdict),
                _drawn(
                    "Profit per customer",
                    "profit",
                    mine.profit_per_customer,
                    theirs.profit_per_customer,
                    over.profit_per_customer,
                    verdict,
                ),
            ],
        )
    nothing = Estimate(value=0.0, low=0.0, high=0.0)
    yield (
        "Against no model at all",
        every if evidence.incumbent is None else "What every candidate must beat, whoever stands before it.",
        [
            _drawn(
                "ROC-AUC, sorting by recency", "over_recency", mine.roc_auc, base.recency, base.over_recency, verdict
            ),
            _drawn(
                "Brier score, a constant", "over_base_rate", mine.brier, base.base_rate, base.over_base_rate, verdict
            ),
            _drawn(
                "Profit per customer, contacting nobody",
                "over_nobody",
                mine.profit_per_customer,
                nothing,
                base.over_nobody,
                verdict,
            ),
        ],
    )


_DRAWN: dict[CheckName, tuple[str, Limited]] = {
    "roc_auc": ("+z.3f", "at least"),
    "brier": ("+z.4f", "at most"),
    "profit": ("+z.3f", "at least"),
    "over_recency": ("+z.3f", "at least"),
    "over_base_rate": ("+z.4f", "at most"),
    "over_nobody": ("+z.3f", "at least"),
}
_BY_SHARE: tuple[CheckName, ...] = ("profit", "over_nobody")
"""Held to the share of the resamples, not to the end of the interval."""


def _drawn(
    title: str, name: CheckName, mine: Estimate, theirs: Estimate, found: Difference, verdict: Verdict
) -> _Shown:
    check, (digits, allowed) = verdict.check(name), _DRAWN[name]
    plain = digits.removeprefix("+")
    limit = check.limit if check and name not in _BY_SHARE else None
    words = f"{_spread(found, digits)}, better in {shown(found.ahead, '.1%')} of the resamples"
    return _Shown(
        title,
        shown(mine.value, plain),
        shown(theirs.value, plain),
        difference(found, digits, limit, allowed, f"{title}: {words}"),
        words,
        check.passed if check else True,
    )


def _spread(found: Estimate, digits: str) -> str:
    return f"{shown(found.value, digits)} ({shown(found.low, digits)} to {shown(found.high, digits)})"


class _SegmentRow(NamedTuple):
    value: str
    rows: int
    churned: int
    judged: bool
    mine: str
    range: str
    theirs: str
    drawing: str
    words: str
    passed: bool
    brier: str
    brier_range: str
    brier_passed: bool


def _segments(comparison: Comparison, verdict: Verdict) -> Mapping[str, list[_SegmentRow]]:
    groups: dict[str, list[_SegmentRow]] = {}
    for segment in comparison.segments:
        groups.setdefault(segment.column, []).append(_segment(segment, verdict))
    return groups


def _segment(segment: SegmentEvidence, verdict: Verdict) -> _SegmentRow:
    ranks, calibrated = verdict.check("segments_roc_auc"), verdict.check("segments_brier")
    mine, over, name = segment.candidate.roc_auc, segment.over_incumbent, segment.name
    judged = ranks is not None and name in ranks.figures
    limit = ranks.limit if ranks and judged else None
    return _SegmentRow(
        segment.value,
        segment.rows,
        segment.churned,
        judged,
        shown(mine.value, ".3f"),
        f"{shown(mine.low, '.3f')} – {shown(mine.high, '.3f')}",
        shown(segment.incumbent.roc_auc.value, ".3f") if segment.incumbent else "",
        difference(over.roc_auc, "+z.3f", limit, "at least", f"{name}: ROC-AUC") if over else "",
        _spread(over.roc_auc, "+z.3f") if over else "",
        _within(ranks, name, "at least"),
        shown(over.brier.value, "+z.4f") if over else "",
        f"{shown(over.brier.low, '+z.4f')} to {shown(over.brier.high, '+z.4f')}" if over else "",
        _within(calibrated, name, "at most"),
    )


def _within(check: Check | None, name: str, kind: Limited) -> bool:
    """Tell whether a figure is what the check demands; one that is not judged is."""
    if check is None or check.limit is None or name not in check.figures:
        return True
    return limited(check.name, {name: check.figures[name]}, kind, check.limit, "").passed


def _facts(evidence: Evidence) -> Iterator[tuple[str, str]]:
    yield from _contestant("Candidate", evidence.candidate)
    if evidence.incumbent:
        yield from _contestant("Incumbent", evidence.incumbent)
    if evidence.comparison:
        sample = evidence.comparison.sample
        yield "Held-out customers", f"{sample.rows:,} at {sample.cutoff}, {sample.base_rate:.1%} of whom churned"
        yield (
            "Costs",
            f"a contact costs {sample.costs.contact_cost:g} and keeps {sample.costs.success_rate:.0%} of those who "
            f"would leave, each worth {sample.costs.saved_margin:g}",
        )
        yield "Resamples", f"{sample.rounds:,} of customers, seed {sample.seed}"
    yield "Candidate knows data until", _moment(evidence.watermark)
    yield "Lake holds data until", _moment(evidence.lake_watermark)
    yield "Gathered", _moment(evidence.now)


def _contestant(role: str, contestant: Contestant) -> Iterator[tuple[str, str]]:
    facts = contestant.facts
    if facts is None:
        yield role, f"version {contestant.version}, whose bundle could not be read"
    else:
        yield (
            role,
            f"version {contestant.version}, {facts.name.replace('_', ' ')}: learned from labels until "
            f"{facts.last_label}, acts from a score of {facts.threshold:.3f} on",
        )
    yield f"{role}'s bundle", contestant.digest


def _moment(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC" if moment else "unknown"
