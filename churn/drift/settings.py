"""What counts as drift."""

from typing import Self

from pydantic import Field, model_validator

from churn.frozen import Frozen


class DriftSettings(Frozen):
    """Thresholds of drift; docs/monitoring.md gives the reasons."""

    false_discovery: float = Field(
        default=0.01,
        gt=0,
        le=0.2,
        description="share of false alarms among a window's alarms (Benjamini–Yekutieli over all columns)",
    )
    min_effect: float = Field(
        default=0.1,
        gt=0,
        lt=1,
        description="smallest distance from the reference that can alarm: Kolmogorov–Smirnov's D of numbers, share of "
        "customers in another category",
    )
    min_psi: float = Field(
        default=0.1, ge=0, description="smallest population stability index that can alarm, beside the distance"
    )
    min_missing: float = Field(
        default=0.1, gt=0, lt=1, description="change of the share of missing values that can alarm"
    )
    min_unknown: float = Field(
        default=0.02, gt=0, lt=1, description="share of customers in categories the reference has not, that can alarm"
    )
    flagged: int = Field(default=3, ge=1, description="k: windows of the last n that must be flagged for an alarm")
    windows: int = Field(default=4, ge=1, description="n: the last complete windows that persistence looks at")
    min_rows: int = Field(default=300, ge=20, description="customers from which on a window is tested")
    max_rows: int = Field(
        default=100_000, ge=1_000, description="customers of a window that are compared; of more, some evenly chosen"
    )
    broken_missing: float = Field(
        default=0.5, gt=0, le=1, description="rise of the share of missing values that means a broken input"
    )
    broken_scale: float = Field(
        default=10.0, gt=1, description="factor on the median size of a feature's numbers that means a broken input"
    )

    @model_validator(mode="after")
    def _k_of_n(self) -> Self:
        if self.flagged > self.windows:
            raise ValueError(f"{self.flagged} of {self.windows} windows can never be flagged")
        return self
