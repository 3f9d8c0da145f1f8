"""The model card: one self-contained page for people who decide, drawn from the manifest and the report."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import polars as pl
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from churn.bundle import charts
from churn.bundle.manifest import Manifest
from churn.bundle.plot import interval
from churn.evaluation.bootstrap import Estimate
from churn.evaluation.metrics import METRICS, Metric
from churn.evaluation.report import EvaluationReport, ModelReport

_TOP_FEATURES = 12
_DRIFT_FEATURES = 9


class _Shown(NamedTuple):
    title: str
    meaning: str
    digits: str
    better: str


_METRICS: dict[Metric, _Shown] = {
    "roc_auc": _Shown("ROC-AUC", "chance that a customer who leaves scores above one who stays", ".3f", "higher"),
    "pr_auc": _Shown("PR-AUC", "mean precision over all recalls; chance is the base rate", ".3f", "higher"),
    "brier": _Shown("Brier score", "mean squared distance of score and outcome", ".4f", "lower"),
    "calibration_error": _Shown("Calibration error", "mean distance of predicted and observed share", ".3f", "lower"),
    "accuracy": _Shown("Accuracy", "right decisions at the threshold", ".1%", "higher"),
    "precision": _Shown("Precision", "contacts that were right", ".1%", "higher"),
    "recall": _Shown("Recall", "leaving customers that were contacted", ".1%", "higher"),
    "f1": _Shown("F1", "harmonic mean of precision and recall", ".3f", "higher"),
    "lift_at_10": _Shown("Lift at 10 %", "churn among the top tenth, as a multiple of the base rate", ".2f", "higher"),
    "capture_at_10": _Shown("Capture at 10 %", "leaving customers found in the top tenth", ".1%", "higher"),
    "profit_per_customer": _Shown("Profit per customer", "at the threshold, in the currency of costs", ".2f", "higher"),
}
_TILES: tuple[Metric, ...] = ("roc_auc", "pr_auc", "brier", "lift_at_10", "profit_per_customer")


def render_card(manifest: Manifest, report: EvaluationReport, reference: pl.DataFrame) -> str:
    """Return the page: no script, nothing fetched, nothing that says who made it or when."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters["svg"] = Markup
    model = report.models[manifest.candidate]
    ranked = {feature.name: feature for feature in manifest.catalogue}
    important = [part for part in manifest.importance if part.auc_loss > 0][:_TOP_FEATURES]
    drift = [ranked[part.feature] for part in manifest.importance[:_DRIFT_FEATURES]]
    return environment.get_template("card.html.j2").render(
        manifest=manifest,
        report=report,
        model=model,
        tiles=[(_METRICS[name].title, _figure(name, model.metrics[name])) for name in _TILES],
        metrics=[(_METRICS[name], _row(name, model, report)) for name in METRICS],
        others=[other for other in report.models.values() if other.name != model.name],
        gain=model.over_recency["roc_auc"],
        over_incumbent=[
            (_METRICS[name].title, _figure(name, estimate, sign="+"))
            for name, estimate in (model.over_incumbent or {}).items()
        ],
        figure=_figure,
        charts={
            "roc": charts.roc(model),
            "precision_recall": charts.precision_recall(model, report.base_rate),
            "calibration": charts.calibration(model),
            "profit": charts.profit(model),
            "timeline": charts.timeline(manifest.lineage),
        },
        important=important,
        most_important=max((part.auc_loss for part in important), default=1.0),
        descriptions={name: feature.description for name, feature in ranked.items()},
        segments=_segments(model),
        drift=[(feature, *charts.distribution(reference, feature)) for feature in drift],
    )


class _Figure(NamedTuple):
    value: str
    range: str


def _figure(name: Metric, estimate: Estimate, sign: str = "-") -> _Figure:
    digits = f"{sign}z{_METRICS[name].digits}"
    if estimate.value is None:
        return _Figure("–", "undefined here")
    if estimate.low is None or estimate.high is None:
        return _Figure(_number(estimate.value, digits), "")
    return _Figure(
        _number(estimate.value, digits), f"{_number(estimate.low, digits)} – {_number(estimate.high, digits)}"
    )


def _number(value: float, digits: str) -> str:
    return format(value, digits).replace("-", "−")


class _Row(NamedTuple):
    figure: _Figure
    bar: str
    recency: _Figure
    incumbent: _Figure | None
    others: list[_Figure]


def _row(name: Metric, model: ModelReport, report: EvaluationReport) -> _Row:
    others = [other for other in report.models.values() if other.name != model.name]
    beside = [other.metrics[name] for other in others] + [report.recency.metrics[name]]
    incumbent = report.incumbent.metrics[name] if report.incumbent else None
    return _Row(
        _figure(name, model.metrics[name]),
        _bar(model.metrics[name], [*beside, *([incumbent] if incumbent else [])]),
        _figure(name, report.recency.metrics[name]),
        _figure(name, incumbent) if incumbent else None,
        [_figure(name, other.metrics[name]) for other in others],
    )


def _bar(estimate: Estimate, beside: list[Estimate]) -> str:
    """Return the estimate's interval on a scale that holds the others' too."""
    if estimate.value is None or estimate.low is None or estimate.high is None:
        return ""
    known = [bound for other in (estimate, *beside) for bound in (other.low, other.high) if bound is not None]
    return interval(estimate.value, estimate.low, estimate.high, (min(known), max(known)))


class _SegmentRow(NamedTuple):
    value: str
    rows: int
    base_rate: float
    auc: _Figure
    bar: str
    brier: _Figure
    recall: _Figure
    profit: _Figure


def _segments(model: ModelReport) -> Mapping[str, list[_SegmentRow]]:
    groups: dict[str, list[_SegmentRow]] = {}
    aucs = [segment.metrics["roc_auc"] for segment in model.segments]
    for segment, auc in zip(model.segments, aucs, strict=True):
        groups.setdefault(segment.column, []).append(
            _SegmentRow(
                segment.value,
                segment.rows,
                segment.churned / segment.rows,
                _figure("roc_auc", auc),
                _bar(auc, aucs),
                _figure("brier", segment.metrics["brier"]),
                _figure("recall", segment.metrics["recall"]),
                _figure("profit_per_customer", segment.metrics["profit_per_customer"]),
            )
        )
    return {column: rows for column, rows in groups.items() if len(rows) > 1}
