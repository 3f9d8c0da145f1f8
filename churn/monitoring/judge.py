"""From a measurement to a verdict: pure rules; what is missing is never OK."""

import hashlib
from collections.abc import Iterator
from datetime import timedelta

from churn.monitoring.examination import Examination
from churn.monitoring.inputs import drift_findings
from churn.monitoring.measurement import Measurement
from churn.monitoring.outcomes import outcome_findings
from churn.monitoring.service import data_findings, service_findings
from churn.monitoring.settings import MonitoringSettings
from churn.monitoring.verdict import ORDER, Finding, MonitorVerdict

_SLACK = timedelta(hours=2)
"""A window may be judged so much later than it could be: the monitoring runs hourly."""


def judge(found: Measurement, examined: Examination, settings: MonitoringSettings) -> MonitorVerdict:
    """Say what a measurement calls for; the gravest finding decides."""
    of_windows = (*drift_findings(found, settings), *service_findings(found, settings.health))
    findings = (_windows(found, settings), *of_windows, *_others(found, examined, settings))
    decision = max((finding.decision for finding in findings), key=ORDER.index)
    decisive = [finding for finding in findings if finding.decision == decision and decision != "OK"]
    # Without a window the findings about windows only repeat that there is none.
    telling = [finding for finding in decisive if found.windows or finding not in of_windows] or decisive
    evidence = found.model_dump_json() + examined.model_dump_json()
    return MonitorVerdict(
        at=found.at,
        version=found.version,
        bundle_digest=found.bundle_digest,
        deployment=found.deployment,
        decision=decision,
        reason="; ".join(dict.fromkeys(finding.says for finding in telling)) or "nothing speaks against the model",
        window_end=found.windows[-1].end if found.windows else None,
        findings=findings,
        evidence_digest=hashlib.sha256(evidence.encode()).hexdigest(),
        examination=examined,
    )


def _others(found: Measurement, examined: Examination, settings: MonitoringSettings) -> Iterator[Finding]:
    yield from data_findings(found, settings.health)
    yield from outcome_findings(found.quality, settings.quality)
    yield _examined(examined)


def _windows(found: Measurement, settings: MonitoringSettings) -> Finding:
    figures = {"complete": float(len(found.windows))}
    if not found.windows:
        return Finding(
            name="windows",
            decision="WATCH",
            says=f"no window of version {found.version} is complete yet, which has been live since "
            f"{found.live_since:%Y-%m-%d %H:%M} UTC",
            figures=figures,
        )
    last = found.windows[-1]
    due = last.end + timedelta(hours=settings.window_hours + settings.settle_hours) + _SLACK
    customers = last.traffic.customers
    if found.at > due:
        known = (
            f"predictions are read until {found.data.closed_until:%Y-%m-%d %H:%M}" if found.data.closed_until else ""
        )
        says = f"the newest complete window ended at {last.end:%Y-%m-%d %H:%M} UTC: {known}; is ingestion running?"
    elif not customers:
        says = f"nobody asked between {last.start:%Y-%m-%d %H:%M} and {last.end:%H:%M} UTC"
    elif not last.drift.tested(settings.drift):
        says = (
            f"{customers} customers in the newest window are too few to compare, {settings.drift.min_rows} are needed"
        )
    else:
        words = f"{len(found.windows)} complete windows, {customers:,} customers in the newest"
        return Finding(name="windows", decision="OK", says=words, figures=figures | {"customers": float(customers)})
    return Finding(name="windows", decision="WATCH", says=says, figures=figures | {"customers": float(customers)})


def _examined(examined: Examination) -> Finding:
    if examined.at is None:
        return Finding(name="examination", decision="OK", says=f"not examined: {examined.why_not or 'nobody asked'}")
    figures: dict[str, float | None] = {
        "tests": float(examined.tests),
        "failed": float(len(examined.deciding)),
        "shown": float(len(examined.shown)),
    }
    when = f"{examined.at:%Y-%m-%d %H:%M} UTC"
    if examined.deciding:
        named = "; ".join(f"{test.name}: {test.says}" for test in examined.deciding[:3])
        says = f"{len(examined.deciding)} of Evidently's tests failed at {when}: {named}"
    elif not examined.tests:
        says = f"Evidently tested nothing at {when}"
    else:
        moved = f", {len(examined.shown)} that decide nothing did not" if examined.shown else ""
        says = f"Evidently's tests of {examined.customers:,} customers passed at {when}{moved}"
        return Finding(name="examination", decision="OK", says=says, figures=figures)
    return Finding(name="examination", decision="WATCH", says=says, figures=figures)
