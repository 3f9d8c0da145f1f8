"""How customers are scored in bulk, and how old the features may be that the API answers their tokens with."""

import hashlib
import json
from typing import Literal

from pydantic import Field

from churn.frozen import Frozen

REASONS = ("reason_1", "reason_2", "reason_3")
"""Columns of the reasons, the strongest first; a table has all of them."""


class ScoringSettings(Frozen):
    """Batch scoring and the customer snapshot."""

    reasons_for: Literal["contacted", "everyone"] = Field(
        default="contacted",
        description="whose scores get reasons; `everyone` scores each customer once more for every group of features",
    )
    reasons: int = Field(default=3, ge=1, le=len(REASONS), description="most reasons of a score")
    least_effect: float = Field(
        default=0.01, gt=0, lt=1, description="probability that a reason must add at least to be named"
    )
    exports: str | None = Field(
        default=None,
        min_length=1,
        description="folder or URL of the lists of whom to contact; none: `exports` in the lake",
    )
    customers_max_age_hours: float | None = Field(
        default=None,
        gt=0,
        lt=1e6,
        description="age of the customer snapshot, from its cutoff, above which the API does not answer tokens as "
        "usual; none: any age",
    )
    customers_when_stale: Literal["refuse", "warn"] = Field(
        default="refuse", description="what an older snapshot brings: a refusal (503), or a warning among the tags"
    )

    @property
    def digest(self) -> str:
        """SHA-256 of what a score's reasons depend on."""
        document = self.model_dump(mode="json", include={"reasons_for", "reasons", "least_effect"})
        return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
