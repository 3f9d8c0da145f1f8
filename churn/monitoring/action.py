"""What follows from a verdict: which of it the platform may do by itself."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal

from churn.frozen import Frozen
from churn.ledger.entry import Draft, Entry
from churn.ledger.standing import standing
from churn.monitoring.inputs import broken_inputs
from churn.monitoring.measurement import Measurement
from churn.monitoring.settings import MonitoringSettings
from churn.monitoring.verdict import MonitorVerdict


class Deed(Frozen):
    """What was done about a verdict, in words.

    Attributes:
        kind: `none` where there is nothing to do, `asked` where it is left to a person, `failed` where it did not work.
    """

    kind: Literal["none", "asked", "retrain", "rollback", "failed"]
    says: str


def left_to_a_person(
    verdict: MonitorVerdict,
    found: Measurement,
    entries: Sequence[Entry],
    newest: datetime | None,
    settings: MonitoringSettings,
) -> Deed | None:
    """Return why nothing may be done about a verdict now; None where it may.

    Args:
        verdict: what was said.
        found: what it rests on.
        entries: of the ledger, all of them.
        newest: time of the newest verdict before this one, about whatever version.
        settings: what may be done without asking.
    """
    if verdict.decision in ("OK", "WATCH"):
        return Deed(kind="none", says="nothing to do" if verdict.decision == "OK" else "nothing to do but look")
    if newest is not None and newest > verdict.at:
        return Deed(kind="asked", says=f"a look back: the newest verdict is of {newest:%Y-%m-%d %H:%M} UTC")
    if standing(entries).holder("production") != verdict.version:
        return Deed(kind="asked", says=f"version {verdict.version} is not in production any more")
    if verdict.decision == "RETRAIN":
        return None if settings.on_retrain == "act" else Deed(kind="asked", says="monitoring.on_retrain is ask")
    if settings.on_rollback == "ask":
        return Deed(kind="asked", says="monitoring.on_rollback is ask")
    return _no_rollback(verdict, found, entries, settings)


def call_for_training(entries: Sequence[Entry], verdict: MonitorVerdict) -> tuple[Draft, ...]:
    """Return the entry that has `churn train --if-needed` train; none where one stands since the last training."""
    trained = max((e.sequence for e in entries if e.decision == "registered" and e.phase == "committed"), default=0)
    if any(entry.decision == "retrain" and entry.sequence > trained for entry in entries):
        return ()
    return (
        Draft(
            decision="retrain",
            actor="churn",
            version=verdict.version,
            bundle_digest=verdict.bundle_digest,
            evidence_digest=verdict.evidence_digest,
            facts={"why": verdict.reason, "deployment": verdict.deployment, "at": verdict.at.isoformat()},
        ),
    )


def _no_rollback(
    verdict: MonitorVerdict, found: Measurement, entries: Sequence[Entry], settings: MonitoringSettings
) -> Deed | None:
    if found.former is None:
        return Deed(kind="asked", says="there is no healthy version to go back to")
    pause = timedelta(hours=settings.rollback_pause_hours)
    recent = [e for e in entries if e.decision == "rolled_back" and e.phase == "committed" and e.stage == "production"]
    if recent and verdict.at - recent[-1].at < pause:
        says = f"the last rollback was at {recent[-1].at:%Y-%m-%d %H:%M} UTC, and a second one helps seldom"
        return Deed(kind="asked", says=says)
    causes = {finding.name for finding in verdict.findings if finding.decision == "ROLLBACK"}
    if causes == {"previous"} and settings.on_loss == "ask":
        return Deed(kind="asked", says="a loss alone, and monitoring.on_loss is ask")
    shared = [name for name in broken_inputs(found) if name in found.former_inputs]
    if causes == {"inputs"} and len(shared) == len(broken_inputs(found)):
        says = f"version {found.former} takes {', '.join(shared[:5])} as well: mend where they come from"
        return Deed(kind="asked", says=says)
    return None
