"""Findings about what comes in and what comes out: broken inputs, drift of features, drift of the score."""

from collections.abc import Iterator, Sequence

from churn.drift.persistence import Drift
from churn.drift.reference import SCORE
from churn.drift.settings import DriftSettings
from churn.monitoring.measurement import Measurement
from churn.monitoring.settings import MonitoringSettings
from churn.monitoring.verdict import Finding

_SHOWN = 5


def drift_findings(found: Measurement, settings: MonitoringSettings) -> Iterator[Finding]:
    """Judge the last windows."""
    yield _inputs(found)
    yield _features(found, settings)
    yield _score(found, settings.drift)


def broken_inputs(found: Measurement) -> tuple[str, ...]:
    """Return the features that are broken in the newest complete window."""
    if not found.windows:
        return ()
    return tuple(column.name for column in found.windows[-1].drift.columns if column.broken and column.name != SCORE)


def _inputs(found: Measurement) -> Finding:
    if not found.windows:
        return Finding(name="inputs", decision="WATCH", says="no complete window to look for broken inputs in")
    columns = [column for column in found.windows[-1].drift.columns if column.broken and column.name != SCORE]
    figures: dict[str, float | None] = {"broken": float(len(columns))}
    if not columns:
        return Finding(name="inputs", decision="OK", says="no input is broken", figures=figures)
    named = _some([f"{column.name} is {column.broken}" for column in columns])
    return Finding(name="inputs", decision="ROLLBACK", says=f"broken inputs: {named}", figures=figures)


def _features(found: Measurement, settings: MonitoringSettings) -> Finding:
    drifts = [drift for drift in found.drifts if drift.name != SCORE]
    drifted = [drift for drift in drifts if drift.persistent]
    weight = sum(found.importance.get(drift.name, 0.0) for drift in drifted)
    once = [column.name for column in found.windows[-1].drift.columns if column.flagged] if found.windows else []
    figures: dict[str, float | None] = {
        "drifted": float(len(drifted)),
        "importance": weight,
        "flagged": float(len([name for name in once if name != SCORE])),
    }
    limits = {"importance": settings.retrain_importance}
    if drifted:
        named = _some([_said(drift) for drift in sorted(drifted, key=lambda drift: -drift.effect)])
        says = f"{len(drifted)} of {len(drifts)} features drifted, which carry {weight:.0%} of the model: {named}"
        decision = "RETRAIN" if weight >= settings.retrain_importance else "WATCH"
        return Finding(name="features", decision=decision, says=says, figures=figures, limits=limits)
    if names := [name for name in once if name != SCORE]:
        says = f"{_some(names)} moved in the newest window, not yet in {settings.drift.flagged} of the last ones"
        return Finding(name="features", decision="WATCH", says=says, figures=figures, limits=limits)
    return _quiet(found, "features", f"{len(drifts)} features, none of which drifted", figures, limits)


def _score(found: Measurement, settings: DriftSettings) -> Finding:
    drift = next(drift for drift in found.drifts if drift.name == SCORE)
    figures: dict[str, float | None] = {"effect": drift.effect, "psi": drift.psi, "flagged": float(drift.flagged)}
    limits = {"effect": settings.min_effect, "psi": settings.min_psi}
    if drift.persistent:
        says = f"the scores drifted: {_said(drift)}"
        return Finding(name="score", decision="RETRAIN", says=says, figures=figures, limits=limits)
    if found.windows and found.windows[-1].drift.column(SCORE).flagged:
        says = f"the scores moved in the newest window, not yet in {settings.flagged} of the last ones"
        return Finding(name="score", decision="WATCH", says=says, figures=figures, limits=limits)
    return _quiet(found, "score", "the scores did not drift", figures, limits)


def _quiet(
    found: Measurement, name: str, says: str, figures: dict[str, float | None], limits: dict[str, float]
) -> Finding:
    """Say that nothing was found, unless there was nothing to find it in."""
    known = any(drift.tested for drift in found.drifts)
    words = says if known else "no window has enough customers to be tested"
    return Finding(name=name, decision="OK" if known else "WATCH", says=words, figures=figures, limits=limits)


def _said(drift: Drift) -> str:
    parts = [f"distance {drift.effect:.2f}, PSI {drift.psi:.2f}"]
    if drift.unknown:
        parts.append(f"{drift.unknown:.0%} in unknown categories")
    if abs(drift.missing - drift.missing_before) >= 0.01:
        parts.append(f"{drift.missing:.0%} missing instead of {drift.missing_before:.0%}")
    return f"{drift.name} ({', '.join(parts)}, {drift.flagged} of {drift.tested} windows)"


def _some(items: Sequence[str]) -> str:
    more = len(items) - _SHOWN
    return ", ".join(items[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
