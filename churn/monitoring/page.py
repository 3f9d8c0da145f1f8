"""The report of a run of the monitoring: verdict, findings, windows and columns; one file, nothing fetched."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from churn.bundle import card
from churn.drift.persistence import Drift
from churn.evaluation.bootstrap import Estimate
from churn.monitoring.measurement import MeasuredWindow, Measurement
from churn.monitoring.verdict import FindingName
from churn.monitoring.watched import Watched

TITLES: dict[FindingName, str] = {
    "windows": "Windows",
    "inputs": "Broken inputs",
    "features": "Drift of features",
    "score": "Drift of scores",
    "errors": "Errors",
    "latency": "Latency",
    "volume": "Volume",
    "freshness": "Freshness of the data",
    "quarantine": "Quarantine",
    "outcomes": "Outcomes, against promotion",
    "previous": "Outcomes, against the version before",
    "examination": "Examination by Evidently",
}
_DECISIONS = {
    "OK": "Nothing speaks against it",
    "WATCH": "To be watched",
    "RETRAIN": "To be trained again",
    "ROLLBACK": "To be rolled back",
}
_METRICS = {
    "roc_auc": "ROC-AUC",
    "pr_auc": "PR-AUC",
    "brier": "Brier score",
    "calibration_error": "Calibration error",
    "profit_per_customer": "Profit per customer",
}
_COLUMNS_SHOWN = 24


class _Cell(NamedTuple):
    kind: str
    tip: str


class _Column(NamedTuple):
    drift: Drift
    importance: float | None
    cells: list[_Cell]
    bars: str


class _Metric(NamedTuple):
    title: str
    live: Estimate
    promoted: Estimate


def monitor_page(watched: Watched) -> str:
    """Return the page."""
    folders = [Path(__file__).parent, Path(card.__file__).parent]
    environment = Environment(
        loader=FileSystemLoader(folders), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters.update(
        svg=Markup,
        sentence=lambda text: f"{text[:1].upper()}{text[1:]}.",
        share=lambda value: "–" if value is None else f"{value:.1%}",
        figure=lambda value: "–" if value is None else f"{value:.3f}".replace("-", "−"),
        moment=lambda at: f"{at:%Y-%m-%d %H:%M}",
    )
    found = watched.measurement
    return environment.get_template("monitor.html.j2").render(
        found=found,
        verdict=watched.verdict,
        deed=watched.deed,
        ending=_DECISIONS[watched.verdict.decision],
        findings=[(TITLES[finding.name], finding) for finding in watched.verdict.findings],
        last=found.windows[-1] if found.windows else None,
        columns=_columns(found) if found.windows else [],
        hidden=max(0, len(found.drifts) - _COLUMNS_SHOWN),
        metrics=_metrics(found),
    )


def _columns(found: Measurement) -> list[_Column]:
    """Return the columns that moved furthest, alarms first."""
    ranked = sorted(found.drifts, key=lambda drift: (-drift.persistent, -drift.flagged, -drift.effect, drift.name))
    return [
        _Column(
            drift,
            found.importance.get(drift.name),
            [_cell(window, drift.name) for window in found.windows],
            _bars(drift.shares_before, drift.shares),
        )
        for drift in ranked[:_COLUMNS_SHOWN]
    ]


def _cell(window: MeasuredWindow, name: str) -> _Cell:
    column = window.drift.column(name)
    kind = "broken" if column.broken else "flagged" if column.flagged else "quiet"
    if column.adjusted is None:
        kind = "untested"
    says = f"{window.start:%m-%d %H:%M}: distance {column.effect or 0:.2f}, PSI {column.psi:.2f}"
    return _Cell(kind, f"{says}; {column.broken or kind}")


def _bars(before: Sequence[float], now: Sequence[float]) -> str:
    """Draw shares by bin: what the model learned with as grey bars, the live customers as lines on them."""
    most, width, height = max([*before, *now, 0.01]), 150, 34
    step = width / len(before)
    marks = []
    for i, (was, share) in enumerate(zip(before, now, strict=True)):
        x, tall, live = i * step, was / most * height, share / most * height
        marks.append(
            f'<rect class="was" x="{x:.1f}" y="{height - tall:.1f}" width="{step - 1:.1f}" height="{tall:.1f}"/>'
        )
        marks.append(f'<rect class="is" x="{x:.1f}" y="{height - live - 1:.1f}" width="{step - 1:.1f}" height="2"/>')
    return f'<svg class="shares" viewBox="0 -2 {width} {height + 2}" role="img">{"".join(marks)}</svg>'


def _metrics(found: Measurement) -> list[_Metric]:
    quality = found.quality
    if quality is None or quality.metrics is None:
        return []
    return [
        _Metric(title, quality.metrics[name], quality.promoted[name])  # type: ignore[index]
        for name, title in _METRICS.items()
    ]
