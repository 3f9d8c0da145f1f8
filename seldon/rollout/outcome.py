"""How a rollout ended, with what it rests on and what it cost."""

import hashlib
from datetime import datetime
from typing import Literal

import polars as pl
from pydantic import Field

from churn.frozen import Frozen
from churn.rollout.verdict import RolloutVerdict

Ending = Literal["passed", "rolled_back", "inconclusive", "invalid", "failed"]
"""`rolled_back`: shown to be worse, or not the model it should be; `failed`: it could not be tried."""


class Cost(Frozen):
    """What customers met with on a canary that was taken back."""

    requests: int = 0
    customers: int = 0
    failed: int = 0
    decisions: int = Field(default=0, description="customers it contacted and its forerunner would not, or the reverse")

    def facts(self) -> dict[str, str]:
        """Return what the ledger keeps."""
        return {f"canary {name}": str(value) for name, value in self.model_dump().items()}


def cost_of(as_stable: pl.DataFrame, threshold: float) -> Cost:
    """Return what the canary's customers met with.

    Args:
        as_stable: the requests of the rollout, with the score that stable would have given as `expected_score`.
        threshold: from which on stable contacts a customer.
    """
    canary = as_stable.filter(pl.col("canary"), pl.col("weight") > 0)
    differs = pl.col("contacted") != (pl.col("expected_score") >= threshold)
    return Cost(
        requests=canary.height,
        customers=canary["customer"].drop_nulls().n_unique(),
        failed=int(canary["failed"].sum()),
        decisions=canary.filter(differs)["customer"].n_unique(),
    )


class Look(Frozen):
    """One look at a rollout that runs.

    Attributes:
        weight: percent of the customers on the canary.
        verdict: what the judge said; none before the first request.
        says: what goes on, in words.
    """

    at: datetime
    stage: str
    weight: int
    says: str
    verdict: RolloutVerdict | None = None


class RolloutOutcome(Frozen):
    """The end of a rollout.

    Attributes:
        verdict: the judge's last; none where no canary was judged, as with a first version.
        looks: the way there, at most a few hundred of them.
    """

    version: str
    ending: Ending
    reason: str
    began: datetime
    ended: datetime
    cost: Cost
    verdict: RolloutVerdict | None
    looks: tuple[Look, ...]

    @property
    def digest(self) -> str:
        """SHA-256 of everything the end rests on."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()
