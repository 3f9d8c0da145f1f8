"""The verdict about the live model, and what is done about it."""

from typing import Annotated

from zenml import get_step_context, log_metadata, step

from churn.errors import ChurnError
from churn.ingestion.alert import Alert, AlertKind, Severity
from churn.monitoring.action import Deed, call_for_training, left_to_a_person
from churn.monitoring.examination import Examination
from churn.monitoring.judge import judge
from churn.monitoring.measurement import Measurement
from churn.monitoring.record import keep, last_verdict
from churn.monitoring.settings import MonitoringSettings
from churn.monitoring.verdict import MonitorDecision, MonitorVerdict
from churn.monitoring.watched import Watched
from materializers.monitor import WatchedMaterializer
from stacks.alerts import send_alerts
from stacks.environment import active_settings
from steps.guard import failing_closed
from steps.registry import active_ledger
from steps.roll_back import roll_back_because

_ALERTS: dict[MonitorDecision, tuple[AlertKind, Severity]] = {
    "OK": ("model_ok", "info"),
    "WATCH": ("model_watch", "warning"),
    "RETRAIN": ("model_retrain", "warning"),
    "ROLLBACK": ("model_rollback", "critical"),
}


@step(enable_cache=False, output_materializers={"monitoring": WatchedMaterializer})
def conclude(measurement: Measurement, examination: Examination) -> Annotated[Watched, "monitoring"]:
    """Judge, enter the verdict, act on it where that is allowed, and tell people what has changed."""
    source = f"{get_step_context().pipeline_run.name} conclude"
    with failing_closed(source, "monitoring_failed"):
        settings = active_settings()
        lake, before = settings.lake.url, last_verdict(settings.lake.url)
        verdict = judge(measurement, examination, settings.monitoring)
        deed = _act(verdict, measurement, before, settings.monitoring)
        keep(lake, measurement, verdict)
        if _is_news(before, verdict) or deed.kind in ("retrain", "rollback", "failed"):
            send_alerts([_alert(verdict, deed)], source=source)
    log_metadata({"decision": verdict.decision, "reason": verdict.reason, "deed": deed.says})
    return Watched(measurement=measurement, verdict=verdict, deed=deed)


def _act(
    verdict: MonitorVerdict, found: Measurement, before: MonitorVerdict | None, settings: MonitoringSettings
) -> Deed:
    ledger = active_ledger()
    left = left_to_a_person(verdict, found, ledger.entries(), before.at if before else None, settings)
    if left is not None:
        return left
    if verdict.decision == "RETRAIN":
        added = ledger.record(lambda entries: call_for_training(entries, verdict))
        if not added:
            return Deed(kind="none", says="training was called for before")
        return Deed(kind="retrain", says=f"entry {added[0].sequence} of the ledger calls for training")
    assert found.former is not None
    try:
        done = roll_back_because(found.former, why=verdict.reason, evidence_digest=verdict.evidence_digest)
    except ChurnError as error:
        return Deed(kind="failed", says=f"version {found.former} could not be brought back: {error}")
    return Deed(kind="rollback", says=done)


def _is_news(before: MonitorVerdict | None, verdict: MonitorVerdict) -> bool:
    """Tell whether a verdict says something that the last one about the same version did not."""
    if before is None or before.version != verdict.version:
        return verdict.decision != "OK"
    return before.at <= verdict.at and (before.decision, before.blamed) != (verdict.decision, verdict.blamed)


def _alert(verdict: MonitorVerdict, deed: Deed) -> Alert:
    kind, severity = _ALERTS[verdict.decision]
    done = "" if deed.kind == "none" else f" ({deed.says})"
    return Alert(
        kind=kind,
        severity=severity,
        stream=None,
        message=f"version {verdict.version} at {verdict.deployment}: {verdict.decision}, {verdict.reason}{done}",
        figures={
            "deed": deed.kind,
            **{finding.name: finding.decision for finding in verdict.findings if finding.decision != "OK"},
        },
    )
