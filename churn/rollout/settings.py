"""What a canary is held to on its way to all traffic."""

from typing import Literal, Self

from pydantic import Field, model_validator

from churn.frozen import Frozen


class RolloutStep(Frozen):
    """One weight of the canary and what ends it."""

    weight: int = Field(ge=0, lt=100, description="percent of the customers on the canary; 0: it gets copies (shadow)")
    customers: int = Field(ge=1, description="customers to have seen in this step, of both tracks, before it may end")
    cap: int = Field(ge=1, description="customers in this step after which waiting for a proof ends")
    hours: float = Field(gt=0, le=8_760, description="hours after which the step ends without a proof")
    proof: bool = Field(description="whether the canary must be shown to be no worse before the next step")


_STEPS = (
    RolloutStep(weight=0, customers=200, cap=20_000, hours=24, proof=False),
    RolloutStep(weight=5, customers=2_000, cap=40_000, hours=48, proof=False),
    RolloutStep(weight=25, customers=6_000, cap=60_000, hours=48, proof=False),
    RolloutStep(weight=50, customers=6_000, cap=200_000, hours=168, proof=True),
)


class RolloutSettings(Frozen):
    """The judge of a canary; docs/rollout.md gives the reasons."""

    mode: Literal["fast", "strict"] = Field(
        default="fast",
        description="fast: bets against no difference, and the difference found must exceed its margin; "
        "strict: bets against a difference of the margin",
    )
    alpha: float = Field(
        default=0.01, gt=0, le=0.2, description="chance of rolling back a canary that behaves like stable"
    )
    beta: float = Field(
        default=0.05, gt=0, le=0.2, description="chance of promoting a canary that is worse by a whole margin"
    )
    error_margin: float = Field(default=0.005, gt=0, lt=1, description="share of errors the canary may have on top")
    latency_margin: float = Field(
        default=1.2, gt=1, le=10, description="factor by which the canary may be slower, at stable's quantiles"
    )
    latency_allowance: float = Field(
        default=0.001, ge=0, le=60, description="seconds that the canary may be slower in any case: nobody notices less"
    )
    decision_margin: float = Field(
        default=0.03, gt=0, lt=1, description="distance of the contacted share from what the promotion promised"
    )
    score_margin: float = Field(
        default=0.02, gt=0, lt=1, description="distance of the mean score from what the promotion promised"
    )
    constant_margin: float = Field(
        default=0.02, gt=0, lt=1, description="share of scores that repeat earlier ones the canary may have on top"
    )
    error_weight: float = Field(default=0.40, gt=0, lt=1, description="share of alpha that errors may spend")
    latency_weight: float = Field(
        default=0.10, gt=0, lt=1, description="share of alpha for each of the three quantiles of latency"
    )
    decision_weight: float = Field(default=0.05, gt=0, lt=1, description="share of alpha for each side of the decision")
    score_weight: float = Field(default=0.05, gt=0, lt=1, description="share of alpha for each side of the score")
    constant_weight: float = Field(default=0.10, gt=0, lt=1, description="share of alpha for repeated scores")
    promise_errors: float = Field(
        default=2.0, ge=0, le=10, description="standard errors of the promised shift that count as the promise itself"
    )
    score_tolerance: float = Field(
        default=1e-6,
        gt=0,
        lt=1e-2,
        description="largest difference of a live score and the bundle's for the same input",
    )
    verified: int = Field(
        default=50, ge=1, description="scores in a step that must have been compared with the bundle's before it ends"
    )
    failures_in_a_row: int = Field(
        default=10, ge=2, description="failures of the canary with no success between them that end it at once"
    )
    sample_ratio: float = Field(
        default=1_000, gt=1, description="odds against the intended split from which on nothing is decided"
    )
    max_lost: float = Field(
        default=0.01, ge=0, lt=1, description="share of a track's requests whose telemetry may be missing"
    )
    lost_allowance: int = Field(
        default=20, ge=0, description="requests whose telemetry may be missing or under way, beside that share"
    )
    baseline_requests: int = Field(
        default=500, ge=20, description="fewest requests of stable from which thresholds and baselines are taken"
    )
    steps: tuple[RolloutStep, ...] = Field(default=_STEPS, min_length=1, description="the weights, in their order")

    def slowest(self, threshold: float) -> float:
        """Return how slow the canary may be in seconds, where stable may be as slow as `threshold`."""
        return max(threshold * self.latency_margin, threshold + self.latency_allowance)

    @model_validator(mode="after")
    def _spends_no_more_than_alpha(self) -> Self:
        spent = self.error_weight + 3 * self.latency_weight + self.constant_weight
        spent += 2 * (self.decision_weight + self.score_weight)
        if spent > 1 + 1e-9:
            raise ValueError(f"the metrics' weights add up to {spent:.2f}; they share alpha and may not exceed 1")
        return self

    @model_validator(mode="after")
    def _climbs(self) -> Self:
        weights = [step.weight for step in self.steps]
        if weights != sorted(set(weights)):
            raise ValueError(f"the steps' weights {weights} do not rise")
        if weights[-1] == 0 or not self.steps[-1].proof:
            raise ValueError("the last step must send customers to the canary and ask for a proof")
        if short := [step.weight for step in self.steps if step.cap < step.customers]:
            raise ValueError(f"the cap of the step at {short[0]} % lies below the customers it asks for")
        return self
