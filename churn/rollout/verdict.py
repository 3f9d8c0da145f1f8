"""What the judge says, with everything it rests on."""

from datetime import datetime
from typing import Literal

from churn.frozen import Frozen
from churn.rollout.bets import Side
from churn.rollout.metrics import Metric, Outcome, Unit

RolloutDecision = Literal["PROMOTE", "ROLLBACK", "INCONCLUSIVE", "INVALID"]


class TrackEvidence(Frozen):
    """One track since the rollout began, without copies; quantiles are in seconds, of answered requests."""

    requests: int
    failed: int
    lost: int
    customers: int
    p50: float | None
    p99: float | None


class UnitCounts(Frozen):
    """What a metric counted at one weight of the canary: units and the sum of their outcomes."""

    weight: float
    stable: int
    stable_sum: float
    canary: int
    canary_sum: float


class MetricEvidence(Frozen):
    """One metric: the bet that the canary is worse, the bet that it is not, and the difference itself.

    Attributes:
        unit: what a customer counted with in the first bet.
        delta: the difference the hypothesis of the first bet allows.
        baseline: m of that bet.
        share: of alpha.
        log_e: natural logarithm of the evidence that the canary is worse.
        needed: what `log_e` has to reach for a rollback.
        difference: what was found in the units of the first bet, held against `margin` before a rollback.
        margin: the limit, with what the promotion promised in it.
        counts: what the first bet rests on.
        promote_log_e: the same for "no worse than the margin", at its highest so far; none where it is not asked.
        promote_needed: what that has to reach.
        estimate: the canary's mean minus stable's over customers' first requests, canary's latency at the margin.
        low: lower end of the band that holds the difference at all times together, with confidence 1 − 2 beta.
        high: its upper end.
    """

    metric: Metric
    outcome: Outcome
    unit: Unit
    side: Side
    delta: float
    baseline: float
    share: float
    log_e: float
    needed: float
    difference: float | None
    margin: float
    counts: tuple[UnitCounts, ...]
    promote_log_e: float | None
    promote_needed: float | None
    estimate: float | None
    low: float | None
    high: float | None

    @property
    def won(self) -> bool:
        """Whether the evidence for a rollback suffices."""
        return self.log_e >= self.needed

    @property
    def cleared(self) -> bool:
        """Whether the canary was shown to be no worse."""
        return self.promote_log_e is not None and self.promote_log_e >= (self.promote_needed or 0.0)


class RolloutEvidence(Frozen):
    """What a verdict rests on.

    Attributes:
        customers: distinct ones at this step's weight, of both tracks; of the canary's copies in shadow.
        verified: the canary's scores in this step that were compared with the bundle's for the same input.
        wrong_scores: those of the whole rollout that differed.
        furthest_score: by how much, at most.
        failures_in_a_row: longest run of the canary's failures, in customers.
        failing: the same of the run that has not ended yet.
        sample_ratio_log_odds: natural logarithm of the odds against the intended split.
        doubts: why the data cannot be trusted.
    """

    step: int
    weight: int
    since: datetime
    at: datetime
    mode: Literal["fast", "strict"]
    stable: TrackEvidence
    canary: TrackEvidence
    customers: int
    verified: int
    wrong_scores: int
    furthest_score: float
    failures_in_a_row: int
    failing: int
    sample_ratio_log_odds: float
    doubts: tuple[str, ...]
    metrics: tuple[MetricEvidence, ...]


class RolloutVerdict(Frozen):
    """A decision about one step.

    Attributes:
        ended: what ended the step without a proof; traffic then returns to stable, unless the decision is PROMOTE.
    """

    decision: RolloutDecision
    reason: str
    ended: Literal["cap", "deadline"] | None
    evidence: RolloutEvidence

    @property
    def next(self) -> Literal["advance", "return", "wait"]:
        """What to do: on to the next weight, all traffic back to stable, or go on looking."""
        if self.decision == "PROMOTE":
            return "advance"
        return "return" if self.decision == "ROLLBACK" or self.ended else "wait"
