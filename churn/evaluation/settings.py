"""How scores are judged."""

from pydantic import Field

from churn.frozen import Frozen


class EvaluationSettings(Frozen):
    """How scores are judged."""

    bootstrap_rounds: int = Field(default=300, ge=20, description="resamples of customers behind every interval")
    confidence: float = Field(default=0.95, gt=0, lt=1, description="share of the resamples an interval holds")
    segment_columns: tuple[str, ...] = Field(
        default=("plan", "country"), description="categorical features whose values are judged one by one"
    )
    segment_values: int = Field(default=8, ge=1, description="most values of a segment, the rest becomes one")
    tenure_column: str = Field(default="tenure_days", description="feature that says how long somebody is a customer")
    tenure_bands: tuple[float, ...] = Field(default=(90, 365), description="borders between tenure bands, in days")
    recency_column: str = Field(default="recency_days", description="the one feature of the recency baseline")
    importance_rows: int = Field(default=2_000, ge=1, description="test rows that permutation importance looks at")
    importance_rounds: int = Field(default=3, ge=1, description="permutations of every feature")
