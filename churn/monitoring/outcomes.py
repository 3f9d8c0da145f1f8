"""Findings about outcomes: against what the promotion promised, and against the version before."""

from collections.abc import Iterator

from churn.evaluation.bootstrap import Estimate
from churn.evaluation.metrics import Metric
from churn.monitoring.quality import Quality
from churn.monitoring.settings import QualitySettings
from churn.monitoring.verdict import Finding

_NAMES: dict[Metric, str] = {
    "roc_auc": "ROC-AUC",
    "brier": "Brier score",
    "calibration_error": "calibration error",
    "profit_per_customer": "profit per customer",
}
_MORE_IS_BETTER = ("roc_auc", "profit_per_customer")


def outcome_findings(quality: Quality | None, settings: QualitySettings) -> Iterator[Finding]:
    """Judge what is known of the outcomes; that none can be known yet speaks for nobody."""
    if quality is None:
        says = "no outcome of its predictions can be known yet"
        yield Finding(name="outcomes", decision="OK", says=says)
        yield Finding(name="previous", decision="OK", says=says)
        return
    yield _against_promotion(quality, settings)
    yield _against_former(quality, settings)


def _against_promotion(quality: Quality, settings: QualitySettings) -> Finding:
    if quality.metrics is None:
        return Finding(name="outcomes", decision="WATCH", says=f"outcomes: {quality.left_out}")
    margins: dict[Metric, float] = {
        "roc_auc": settings.auc_margin,
        "brier": settings.brier_margin,
        "calibration_error": settings.calibration_margin,
        "profit_per_customer": settings.profit_margin,
    }
    figures: dict[str, float | None] = {"rows": float(quality.rows), "churned": float(quality.churned)}
    proven, suspected = [], []
    for metric, margin in margins.items():
        live, promoted = quality.metrics[metric], quality.promoted[metric]
        figures |= {metric: live.value, f"{metric}_promoted": promoted.value}
        worse = _worse_by(metric, live, promoted)
        says = f"{_NAMES[metric]} {_shown(live)}, at promotion {_shown(promoted)}"
        if worse is None:
            suspected.append(f"{_NAMES[metric]} is unknown")
        elif worse > margin and _apart(metric, live, promoted):
            proven.append(says)
        elif worse > margin:
            suspected.append(f"{says}, not yet surely worse")
    limits = {str(metric): margin for metric, margin in margins.items()}
    who = f"of {quality.rows:,} customers who asked until {quality.until:%Y-%m-%d}, {quality.churned:,} left"
    if proven:
        says = f"the model got worse: {'; '.join(proven)}; {who}"
        return Finding(name="outcomes", decision="RETRAIN", says=says, figures=figures, limits=limits)
    if suspected:
        says = f"{'; '.join(suspected)}; {who}"
        return Finding(name="outcomes", decision="WATCH", says=says, figures=figures, limits=limits)
    live = quality.metrics["roc_auc"]
    return Finding(
        name="outcomes",
        decision="OK",
        says=f"as good as at promotion, ROC-AUC {_shown(live)}; {who}",
        figures=figures,
        limits=limits,
    )


def _against_former(quality: Quality, settings: QualitySettings) -> Finding:
    if quality.over_previous is None:
        return Finding(name="previous", decision="OK", says=quality.left_out or "there is no version before to compare")
    over = quality.over_previous["profit_per_customer"]
    figures: dict[str, float | None] = {"profit": over.value, "low": over.low, "high": over.high}
    limits = {"profit": -settings.loss_margin}
    says = f"profit per customer over version {quality.previous}: {_shown(over, '+')}"
    if over.high is not None and over.high < -settings.loss_margin:
        says = f"a proven loss against version {quality.previous}: {says}"
        return Finding(name="previous", decision="ROLLBACK", says=says, figures=figures, limits=limits)
    return Finding(name="previous", decision="OK", says=says, figures=figures, limits=limits)


def _worse_by(metric: Metric, live: Estimate, promoted: Estimate) -> float | None:
    if live.value is None or promoted.value is None:
        return None
    return promoted.value - live.value if metric in _MORE_IS_BETTER else live.value - promoted.value


def _apart(metric: Metric, live: Estimate, promoted: Estimate) -> bool:
    """Tell whether the intervals do not meet: surer than a test of the difference, and needs no common rows."""
    if metric in _MORE_IS_BETTER:
        return live.high is not None and promoted.low is not None and live.high < promoted.low
    return live.low is not None and promoted.high is not None and live.low > promoted.high


def _shown(estimate: Estimate, sign: str = "") -> str:
    if estimate.value is None:
        return "unknown"
    between = "" if estimate.low is None else f" ({estimate.low:{sign}.3f} to {estimate.high:{sign}.3f})"
    return f"{estimate.value:{sign}.3f}{between}".replace("-", "−")
