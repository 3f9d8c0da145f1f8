"""How a rollout ended, with what it rests on and what it cost."""

import hashlib
from datetime import datetime
from typing import Literal

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
