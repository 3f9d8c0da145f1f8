"""What the gate says: a decision, and every check with its figures."""

from typing import Literal

from churn.frozen import Frozen

CheckName = Literal[
    "readable",
    "complete",
    "another_model",
    "held_out",
    "undecided",
    "parity",
    "enough_customers",
    "roc_auc_floor",
    "over_recency",
    "over_base_rate",
    "over_nobody",
    "roc_auc",
    "brier",
    "profit",
    "segments_roc_auc",
    "segments_brier",
    "fresh_snapshot",
    "fresh_data",
]


class Check(Frozen):
    """One condition.

    Attributes:
        figures: what was held against the limit, by name; none where it is missing.
        limit: what the figures had to reach or stay within, where it is a number.
        says: the outcome in words, with its figures.
    """

    name: CheckName
    passed: bool
    figures: dict[str, float | None]
    limit: float | None
    says: str


class Verdict(Frozen):
    """`PROMOTE` only where every check has passed."""

    decision: Literal["PROMOTE", "REJECT"]
    reason: str
    checks: tuple[Check, ...]
    evidence_digest: str

    def check(self, name: CheckName) -> Check | None:
        """Return a check by name; a first model has none against an incumbent."""
        return next((check for check in self.checks if check.name == name), None)
