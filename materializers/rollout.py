"""A rollout: its plan, and its end with the way there as a page."""

from typing import Any, ClassVar

from zenml.metadata.metadata_types import MetadataType

from churn.rollout.page import RolloutFacts, rollout_page
from materializers.json_model import JsonModelMaterializer
from materializers.pages import render
from seldon.rollout.outcome import RolloutOutcome
from seldon.rollout.plan import RolloutPlan


class PlanMaterializer(JsonModelMaterializer):
    """Stores a RolloutPlan."""

    SKIP_REGISTRATION: ClassVar[bool] = False
    ASSOCIATED_TYPES: ClassVar[tuple[type[Any], ...]] = (RolloutPlan,)

    def page(self, data: RolloutPlan) -> str:
        """Draw what is going to happen."""
        return render("rollout_plan.html.j2", title=f"Rollout of version {data.candidate.version}", plan=data)


class OutcomeMaterializer(JsonModelMaterializer):
    """Stores a RolloutOutcome."""

    SKIP_REGISTRATION: ClassVar[bool] = False
    ASSOCIATED_TYPES: ClassVar[tuple[type[Any], ...]] = (RolloutOutcome,)

    def page(self, data: RolloutOutcome) -> str:
        """Draw the evidence over time and how it ended; without a judge there is only the end to tell."""
        if not data.verdicts:
            return render("rollout_end.html.j2", title=f"Rollout of version {data.version}", outcome=data)
        facts = RolloutFacts(
            canary=data.version,
            stable=data.replaced or "–",
            deployment=data.deployment,
            lines=(
                ("ended as", data.ending.replace("_", " ")),
                ("because", data.reason),
                ("took", str(data.ended - data.began).partition(".")[0]),
                *(
                    (name, f"{count:,}" if data.cost.known else "unknown")
                    for name, count in data.cost.counts().items()
                    if data.ending != "passed"
                ),
            ),
        )
        return rollout_page(data.history, data.verdicts, facts)

    def extract_metadata(self, data: RolloutOutcome) -> dict[str, MetadataType]:
        """Return how it ended, and what it cost."""
        return {"ending": data.ending, "reason": data.reason, **data.cost.model_dump()}
