"""What an alert says."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from churn.settings import Stream

AlertKind = Literal[
    "bad_share",
    "schema_change",
    "empty_hour",
    "late_source",
    "history",
    "unreadable_object",
    "ingestion_failed",
    "training_failed",
    "promotion_failed",
    "deployment_failed",
    "scoring_failed",
    "rolled_back",
    "monitoring_failed",
    "model_ok",
    "model_watch",
    "model_retrain",
    "model_rollback",
]
FailureKind = Literal[
    "ingestion_failed",
    "training_failed",
    "promotion_failed",
    "deployment_failed",
    "scoring_failed",
    "monitoring_failed",
]
Severity = Literal["info", "warning", "critical"]
"""`info` calls for nobody: it says once why there will be no alarm."""


class Alert(BaseModel):
    """Something a person should know; it holds counts, column names and safe object names only."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: AlertKind
    severity: Severity
    stream: Stream | None
    """None where the run as a whole is meant."""
    message: str
    figures: dict[str, int | float | str]
