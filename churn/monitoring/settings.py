"""When the live model is in doubt, and what is done about it without asking."""

from typing import Literal

from pydantic import Field, field_validator

from churn.drift.settings import DriftSettings
from churn.frozen import Frozen

Answer = Literal["act", "ask"]


class HealthSettings(Frozen):
    """Limits of the last complete window, and of the data behind it."""

    max_error_rate: float = Field(
        default=0.05, gt=0, lt=1, description="share of failed requests that rolls back, once it is surely exceeded"
    )
    min_requests: int = Field(default=100, ge=1, description="requests from which on the share of errors is judged")
    max_p99_ms: float = Field(default=250, gt=0, description="99 % quantile of the latency, in milliseconds")
    min_volume_share: float = Field(
        default=0.25, ge=0, lt=1, description="predictions of a window by the median of the windows before it"
    )
    max_data_age_hours: float | None = Field(
        default=26, gt=0, description="age of the newest activity in the lake; null: any"
    )
    max_quarantine_share: float = Field(
        default=0.05, ge=0, le=1, description="share of the rows read in a day that went to quarantine, by stream"
    )


class QualitySettings(Frozen):
    """How predictions are held against what came, once that is known."""

    days: int = Field(default=7, ge=1, le=366, description="days of predictions that are judged together")
    min_rows: int = Field(default=300, ge=20, description="customers with a known outcome from which on that is done")
    max_rows: int = Field(default=20_000, ge=1_000, description="most of them that are judged, evenly chosen")
    min_class_rows: int = Field(default=30, ge=1, description="fewest churned and fewest staying customers of them")
    rounds: int = Field(default=300, ge=50, description="resamples of customers behind every interval")
    seed: int = Field(default=20260101, ge=0, description="of the resamples")
    confidence: float = Field(default=0.95, ge=0.5, lt=1, description="share of the resamples an interval holds")
    auc_margin: float = Field(
        default=0.02, ge=0, lt=1, description="ROC-AUC below that of the promotion which calls for retraining"
    )
    brier_margin: float = Field(default=0.01, ge=0, lt=1, description="Brier score above it which does")
    calibration_margin: float = Field(default=0.03, ge=0, lt=1, description="calibration error above it which does")
    profit_margin: float = Field(
        default=0.25, ge=0, description="profit per customer below it which does, in the currency of the costs"
    )
    loss_margin: float = Field(
        default=0.0,
        ge=0,
        description="profit per customer that the version before would surely have earned on top, which rolls back",
    )


class ExaminationSettings(Frozen):
    """The thorough look, by Evidently."""

    hours: float | None = Field(
        default=24, gt=0, description="hours between two examinations without an alarm; null: on alarm only"
    )
    on_alarm: bool = Field(
        default=True, description="whether drift, broken inputs or bad outcomes are examined at once"
    )
    rows: int = Field(default=5_000, ge=100, description="most customers of the windows and of the reference, each")
    seed: int = Field(default=20260101, ge=0, description="of the choice among more customers")
    drift_distance: float = Field(
        default=0.1, gt=0, description="distance of a column (Wasserstein by σ, Jensen–Shannon) that is drift"
    )
    drift_share: float = Field(default=0.3, gt=0, le=1, description="share of drifted columns that fails the data")


class MonitoringSettings(Frozen):
    """Monitoring; docs/monitoring.md gives the reasons."""

    window_hours: int = Field(default=6, ge=1, le=24, description="length of a window, a divisor of 24")
    settle_hours: int = Field(
        default=1, ge=0, le=48, description="hours after a window's end that ingestion must have read through as well"
    )
    on_rollback: Answer = Field(default="act", description="act: ROLLBACK rolls back; ask: a person is told")
    on_loss: Answer = Field(
        default="ask",
        description="the same where a loss is the only cause: a customer whom a contact saved looks like a wasted one",
    )
    on_retrain: Answer = Field(default="act", description="act: RETRAIN is entered for training; ask: a person is told")
    rollback_pause_hours: float = Field(
        default=24, ge=0, description="hours after a rollback in which another one is left to a person"
    )
    retrain_importance: float = Field(
        default=0.1, ge=0, le=1, description="share of the model's importance that drifts before it is trained again"
    )
    drift: DriftSettings = Field(default_factory=DriftSettings)
    health: HealthSettings = Field(default_factory=HealthSettings)
    quality: QualitySettings = Field(default_factory=QualitySettings)
    examination: ExaminationSettings = Field(default_factory=ExaminationSettings)

    @field_validator("window_hours")
    @classmethod
    def _makes_whole_days(cls, hours: int) -> int:
        if 24 % hours:
            raise ValueError(f"{hours} hours do not make whole days; take a divisor of 24")
        return hours
