"""The conditions of the gate: whether the evidence may decide, whether the model is good enough, for whom, how old."""

from collections.abc import Callable, Iterator
from math import isfinite

from pydantic import BaseModel

from churn.promotion.evidence import Comparison, Contestant, Evidence, SegmentEvidence
from churn.promotion.limits import DAY, aged, limited, told
from churn.promotion.settings import PromotionSettings
from churn.promotion.verdict import Check, CheckName


def admission(evidence: Evidence, settings: PromotionSettings) -> Iterator[Check]:
    """Whether the evidence is whole, and whether it may decide."""
    faults = [*evidence.faults, *_other_settings(evidence, settings)]
    yield told("readable", not faults, faults[0] if faults else "everything could be read")
    gaps = list(_gaps(evidence, settings))
    yield told("complete", not gaps, f"no figure for {'; '.join(gaps[:3])}" if gaps else "no figure is missing")
    yield _another_model(evidence)
    yield _held_out(evidence)
    yield _undecided(evidence)


def floors(evidence: Evidence, settings: PromotionSettings) -> Iterator[Check]:
    """What every candidate must reach, whoever stands before it."""
    facts, comparison = evidence.candidate.facts, evidence.comparison
    largest = facts.parity.largest_difference if facts else None
    yield limited(
        "parity",
        {"largest difference of the ONNX model and the fitted pipeline": largest},
        "at most",
        settings.parity_tolerance,
        ".1e",
    )
    sample = comparison.sample if comparison else None
    yield limited(
        "enough_customers",
        {
            "number of customers who churned": sample.churned if sample else None,
            "number of customers who stayed": sample.rows - sample.churned if sample else None,
        },
        "at least",
        settings.min_class_rows,
        ".0f",
    )
    low = comparison.candidate.roc_auc.low if comparison else None
    yield limited("roc_auc_floor", {"lower end of ROC-AUC": low}, "at least", settings.min_roc_auc, ".3f")
    over = comparison.baselines if comparison else None
    yield limited(
        "over_recency",
        {"lower end of ROC-AUC over sorting by recency": over.over_recency.low if over else None},
        "at least",
        settings.min_over_recency,
        "+z.3f",
    )
    yield limited(
        "over_base_rate",
        {"upper end of the Brier score over that of a constant": over.over_base_rate.high if over else None},
        "at most",
        0,
        "+z.4f",
    )


def contest(evidence: Evidence, settings: PromotionSettings) -> Iterator[Check]:
    """Better in profit and worse in nothing; a first model must earn more than contacting nobody."""
    comparison, incumbent = evidence.comparison, evidence.incumbent
    if incumbent is None:
        nobody = comparison.baselines.over_nobody if comparison else None
        yield _earns_more("over_nobody", "contacting nobody", nobody.ahead if nobody else None, settings)
        return
    over = comparison.over_incumbent if comparison else None
    other = f"version {incumbent.version}"
    yield limited(
        "roc_auc",
        {f"lower end of ROC-AUC over {other}": over.roc_auc.low if over else None},
        "at least",
        -settings.auc_margin,
        "+z.4f",
    )
    yield limited(
        "brier",
        {f"upper end of the Brier score over {other}": over.brier.high if over else None},
        "at most",
        settings.brier_margin,
        "+z.4f",
    )
    yield _earns_more("profit", other, over.profit_per_customer.ahead if over else None, settings)


def segments(evidence: Evidence, settings: PromotionSettings) -> Iterator[Check]:
    """No group of customers collapses: against the incumbent, or for a first model against chance."""
    judged = judged_segments(evidence.comparison, settings)

    def figures(of: Callable[[SegmentEvidence], float | None]) -> dict[str, float | None]:
        return {segment.name: of(segment) for segment in judged}

    if fault := _uncovered(evidence.comparison):
        yield told("segments_roc_auc", False, fault)
    elif not judged:
        yield told("segments_roc_auc", True, f"no segment has {settings.segment_rows} rows, so none is judged")
    elif evidence.incumbent is None:
        highs = figures(lambda segment: segment.candidate.roc_auc.high)
        yield limited("segments_roc_auc", highs, "at least", 0.5, ".3f", "upper end of ROC-AUC")
    else:
        lows = figures(lambda one: one.over_incumbent.roc_auc.low if one.over_incumbent else None)
        what = f"over version {evidence.incumbent.version}"
        margin = -settings.segment_auc_margin
        yield limited("segments_roc_auc", lows, "at least", margin, "+z.3f", f"lower end of ROC-AUC {what}")
        highs = figures(lambda one: one.over_incumbent.brier.high if one.over_incumbent else None)
        most = settings.segment_brier_margin
        yield limited("segments_brier", highs, "at most", most, "+z.4f", f"upper end of the Brier score {what}")


def freshness(evidence: Evidence, settings: PromotionSettings) -> Iterator[Check]:
    """The candidate is not far behind the lake, nor the lake behind the clock; nothing comes from the future."""
    mine, newest = evidence.watermark, evidence.lake_watermark
    most = settings.max_snapshot_age_days
    yield aged("fresh_snapshot", "the candidate's data", mine, "the newest of the lake", newest, most)
    yield aged("fresh_data", "the newest of the lake", newest, "the clock", evidence.now, settings.max_data_age_days)


def judged_segments(comparison: Comparison | None, settings: PromotionSettings) -> list[SegmentEvidence]:
    """Return the segments that are large enough to be judged, by name; the others are only shown."""
    large = [
        segment
        for segment in (comparison.segments if comparison else ())
        if segment.rows >= settings.segment_rows
        and min(segment.churned, segment.rows - segment.churned) >= settings.min_class_rows
    ]
    return sorted(large, key=lambda segment: segment.name)


def _earns_more(name: CheckName, other: str, share: float | None, settings: PromotionSettings) -> Check:
    figures = {f"share of resamples in which it earns more than {other}": share}
    return limited(name, figures, "at least", settings.profit_confidence, ".1%")


def _another_model(evidence: Evidence) -> Check:
    mine, theirs = evidence.candidate, evidence.incumbent
    if theirs is None:
        return told("another_model", True, f"no model stands at {evidence.target} yet")
    same = mine.digest == theirs.digest or mine.version == theirs.version
    says = f"it is the very model that stands at {evidence.target} as version {theirs.version}"
    return told("another_model", not same, says if same else f"version {theirs.version} is another model")


def _held_out(evidence: Evidence) -> Check:
    comparison = evidence.comparison
    contestants = [one for one in (evidence.candidate, evidence.incumbent) if one]
    after = {f"days from the last label of version {one.version}": _days(one, comparison) for one in contestants}
    early = [one.version for one in contestants if (days := _days(one, comparison)) is not None and days < 0]
    facts = evidence.candidate.facts
    own = comparison is not None and facts is not None and comparison.sample.cutoff == facts.test_cutoff
    if early:
        says = f"version {early[0]} has learned from labels after the test cutoff, so train the candidate on newer data"
    elif None in after.values() or not own:
        says = "nobody can tell whether the rows are held out from both models"
    else:
        says = "its test cutoff lies after every label that either model has learned from"
    passed = own and not early and None not in after.values()
    return Check(name="held_out", passed=passed, figures=after, limit=0, says=says)


def _undecided(evidence: Evidence) -> Check:
    if evidence.decided is not None:
        says = f"its test cutoff has decided before ({evidence.decided}), so train it on newer data"
    elif evidence.candidate.facts is None:
        says = "nobody can tell whether its test cutoff has decided before"
    else:
        says = "no decision about another version has used its test cutoff"
    return told("undecided", evidence.decided is None and evidence.candidate.facts is not None, says)


def _days(contestant: Contestant, comparison: Comparison | None) -> float | None:
    if contestant.facts is None or comparison is None:
        return None
    return (comparison.sample.cutoff - contestant.facts.last_label) / DAY


def _other_settings(evidence: Evidence, settings: PromotionSettings) -> Iterator[str]:
    sample = evidence.comparison.sample if evidence.comparison else None
    for key in ("confidence", "rounds", "seed"):
        if sample and getattr(sample, key) != getattr(settings, key):
            yield f"the evidence was gathered under another promotion.{key}, so gather it again"


def _uncovered(comparison: Comparison | None) -> str | None:
    """Say why the segments do not show every customer, if they do not."""
    rows: dict[str, int] = {}
    for segment in comparison.segments if comparison else ():
        rows[segment.column] = rows.get(segment.column, 0) + segment.rows
    if comparison is None or not rows:
        return "no segment was looked at; see training.evaluation.segment_columns"
    short = sorted(column for column, count in rows.items() if count != comparison.sample.rows)
    return f"the segments of {short[0]} are not all the customers" if short else None


def _gaps(evidence: Evidence, settings: PromotionSettings) -> Iterator[str]:
    """Name every figure that is missing or no number; only a segment too small to be judged may have one."""
    comparison = evidence.comparison
    first = evidence.incumbent is None
    absent = {"incumbent", "over_incumbent"} if first else set()
    yield from _missing(evidence, "", {"comparison", "decided", *absent})
    if comparison is None:
        yield "comparison"
        return
    if first and (comparison.incumbent or comparison.over_incumbent):
        yield "incumbent"
    yield from _missing(comparison, "", {"segments", *absent})
    for segment in judged_segments(comparison, settings):
        yield from _missing(segment, segment.name, absent)


def _missing(value: object, name: str, skipped: set[str]) -> Iterator[str]:
    if value is None or (isinstance(value, float) and not isfinite(value)):
        yield name
    elif isinstance(value, BaseModel):
        for key in sorted(type(value).model_fields.keys() - skipped):
            yield from _missing(getattr(value, key), f"{name} {key.replace('_', ' ')}".strip(), set())
