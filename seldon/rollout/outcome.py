"""How a rollout ended, with what it rests on and what it cost."""

import hashlib
from datetime import datetime
from typing import Literal

import polars as pl
from pydantic import Field

from churn.frozen import Frozen
from churn.rollout.history import Look
from churn.rollout.verdict import RolloutVerdict

Ending = Literal["passed", "rolled_back", "inconclusive", "invalid", "failed", "cut_short"]
"""`rolled_back`: shown to be worse, or not the model it should be; `failed`: it could not be tried; `cut_short`: by an
error, Ctrl-C, or a kill."""


class Cost(Frozen):
    """What customers met with on a canary that was taken back."""

    requests: int = 0
    customers: int = 0
    failed: int = 0
    decisions: int = Field(default=0, description="customers it contacted and its forerunner would not, or the reverse")
    known: bool = Field(default=True, description="whether there were records to read; without any, nothing is known")

    def facts(self) -> dict[str, str]:
        """Return what the ledger keeps."""
        return {f"canary {name}": str(value) if self.known else "unknown" for name, value in self.counts().items()}

    def counts(self) -> dict[str, int]:
        """Return the figures by name; none of them means anything unless they are known."""
        return self.model_dump(exclude={"known"})


UNKNOWN = Cost(known=False)


def cost_of(as_stable: pl.DataFrame, threshold: float) -> Cost:
    """Return what the canary's customers met with.

    Args:
        as_stable: the requests of the rollout, with the score that stable would have given as `expected_score`; none
            where they cannot be told, as without Prometheus.
        threshold: from which on stable contacts a customer.
    """
    if as_stable.is_empty():
        return UNKNOWN
    canary = as_stable.filter(pl.col("canary"), pl.col("weight") > 0)
    differs = pl.col("contacted") != (pl.col("expected_score") >= threshold)
    return Cost(
        requests=canary.height,
        customers=canary["customer"].drop_nulls().n_unique(),
        failed=int(canary["failed"].sum()),
        decisions=canary.filter(differs)["customer"].n_unique(),
    )


class Progress(Frozen):
    """What goes on in a rollout.

    Attributes:
        stage: such as `smoke test`, `shadow`, `25 %`.
        weight: percent of the customers on the canary.
        says: in words.
        verdict: the judge's; none while there is nothing to judge.
    """

    at: datetime
    stage: str
    weight: int
    says: str
    verdict: RolloutVerdict | None = None


class RolloutOutcome(Frozen):
    """The end of a rollout.

    Attributes:
        verdicts: the judge's last of every step; none where no canary was judged, as with a first version.
        history: the way there.
    """

    version: str
    replaced: str | None
    deployment: str
    ending: Ending
    reason: str
    began: datetime
    ended: datetime
    cost: Cost
    verdicts: tuple[RolloutVerdict, ...]
    history: tuple[Look, ...]

    @property
    def digest(self) -> str:
        """SHA-256 of everything the end rests on."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()
