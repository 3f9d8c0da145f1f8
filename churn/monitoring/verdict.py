"""What is said of the live model: one decision, and every finding behind it."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from churn.frozen import Frozen
from churn.monitoring.examination import Examination

MonitorDecision = Literal["OK", "WATCH", "RETRAIN", "ROLLBACK"]
ORDER: tuple[MonitorDecision, ...] = ("OK", "WATCH", "RETRAIN", "ROLLBACK")

FindingName = Literal[
    "windows", "inputs", "features", "score", "errors", "latency", "volume", "freshness", "quarantine",
    "outcomes", "previous", "examination",
]  # fmt: skip


class Finding(Frozen):
    """One thing that was looked at.

    Attributes:
        decision: what it calls for, by itself.
        says: what was found, in words, with its figures.
        figures: the figures; none where one is missing.
        limits: what they were held against.
    """

    name: FindingName
    decision: MonitorDecision
    says: str
    figures: dict[str, float | None] = Field(default={})
    limits: dict[str, float] = Field(default={})


class MonitorVerdict(Frozen):
    """The verdict about one version at one time; the gravest finding decides.

    Attributes:
        reason: the findings that decided, in words.
        window_end: end of the newest complete window; none without any.
        evidence_digest: SHA-256 of the measurement and the examination.
        examination: the newest one of this version; it holds until the next.
    """

    at: datetime
    version: str
    bundle_digest: str
    deployment: str
    decision: MonitorDecision
    reason: str
    window_end: datetime | None
    findings: tuple[Finding, ...]
    evidence_digest: str
    examination: Examination

    def finding(self, name: FindingName) -> Finding:
        """Return a finding by name."""
        return next(finding for finding in self.findings if finding.name == name)

    @property
    def blamed(self) -> tuple[FindingName, ...]:
        """Names of the findings that are not OK."""
        return tuple(finding.name for finding in self.findings if finding.decision != "OK")
