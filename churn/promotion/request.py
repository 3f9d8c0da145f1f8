"""A version that asks for a stage, as the gate left it: what a person is asked, and until when."""

from datetime import date, datetime

from pydantic import Field

from churn.frozen import Frozen
from churn.ledger.entry import Draft
from churn.promotion.stage import Target
from churn.promotion.verdict import Verdict

NOTHING = "nothing"
"""What a version replaces where none was in the stage."""


class PromotionRequest(Frozen):
    """What stands between a verdict and a change of stage."""

    version: str
    to_stage: Target
    digest: str = Field(description="of the bundle that was judged")
    cutoff: date | None = Field(description="the test cutoff it was judged on")
    holder: str | None = Field(description="version in the stage when it was judged")
    tables: dict[str, int] = Field(description="versions of the tables the model was made from")
    verdict: Verdict
    run: str = Field(description="id of the promotion run")
    attempt: int = Field(description="1, and one more each time a request expired and the gate was asked again")
    asks: bool = Field(description="a person must approve")
    expires_at: datetime

    @property
    def name(self) -> str:
        """Of the wait condition in ZenML."""
        return f"approve-{self.attempt}"

    @property
    def question(self) -> str:
        """What the person is asked."""
        instead = f" in place of version {self.holder}" if self.holder else ""
        return (
            f"Promote version {self.version} to {self.to_stage}{instead}? {self.verdict.reason} "
            "The model card and the evidence are artifacts of this run. Answer true to approve or false to reject, "
            f"by {self.expires_at:%Y-%m-%d %H:%M} UTC."
        )

    @property
    def facts(self) -> dict[str, str]:
        """What the ledger keeps beside the decision."""
        return {
            "run": self.run,
            "request": self.name,
            "replaces": self.holder or NOTHING,
            **({"cutoff": self.cutoff.isoformat()} if self.cutoff else {}),
            **{f"table {table}": str(version) for table, version in sorted(self.tables.items())},
        }

    def draft(self, **decision: str) -> Draft:
        """Return a ledger entry about this request; the decision, its actor and its phase are the caller's."""
        return Draft.model_validate(
            {
                "version": self.version,
                "stage": self.to_stage,
                "bundle_digest": self.digest,
                "evidence_digest": self.verdict.evidence_digest,
                "facts": self.facts,
            }
            | decision
        )
