"""What a model must show before it takes over, and who is asked."""

from pydantic import Field

from churn.frozen import Frozen
from churn.promotion.stage import Target


class PromotionSettings(Frozen):
    """The gate and the approval; docs/promotion.md gives the reasons."""

    ask_before: tuple[Target, ...] = Field(
        default=("staging", "production"), description="stages that a person must approve, after the gate has passed"
    )
    approval_hours: float = Field(default=24, gt=0, le=8_760, description="hours after which a request expires")
    rounds: int = Field(default=1_000, ge=100, description="resamples of customers behind every interval of the gate")
    seed: int = Field(default=20260101, ge=0, description="of the resamples, which are the same for both models")
    confidence: float = Field(default=0.95, ge=0.5, lt=1, description="share of the resamples an interval holds")
    auc_margin: float = Field(
        default=0.01, ge=0, le=1, description="ROC-AUC that the lower end of the difference may lie below the incumbent"
    )
    brier_margin: float = Field(
        default=0.005, ge=0, le=1, description="Brier score that the upper end may lie above the incumbent"
    )
    profit_confidence: float = Field(
        default=0.9, ge=0.5, le=1, description="share of the resamples that must earn more than the incumbent"
    )
    min_roc_auc: float = Field(
        default=0.6, ge=0.5, le=1, description="the lower end of the candidate's ROC-AUC must reach this"
    )
    min_over_recency: float = Field(
        default=0.0, ge=-1, le=1, description="the lower end of its ROC-AUC over sorting by recency must reach this"
    )
    parity_tolerance: float = Field(
        default=1e-5, gt=0, lt=1e-2, description="largest difference between the ONNX model and the fitted pipeline"
    )
    min_class_rows: int = Field(
        default=30, ge=1, description="fewest churned and fewest staying customers, overall and in a segment"
    )
    segment_rows: int = Field(default=500, ge=1, description="rows from which on a segment is judged, not only shown")
    segment_auc_margin: float = Field(
        default=0.05, ge=0, le=1, description="as `auc_margin`, in each segment that is judged"
    )
    segment_brier_margin: float = Field(
        default=0.025, ge=0, le=1, description="as `brier_margin`, in each segment that is judged"
    )
    max_snapshot_age_days: float = Field(
        default=7, gt=0, le=36_500, description="days the candidate's data may lie behind the newest in the lake"
    )
    max_data_age_days: float | None = Field(
        default=3, gt=0, le=36_500, description="days the newest data in the lake may lie behind the clock; null: any"
    )
