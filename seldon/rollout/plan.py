"""What a rollout will do, fixed before its first request."""

from pydantic import Field

from churn.bundle.manifest import GoldenRow
from churn.frozen import Frozen
from churn.rollout.baseline import Promise
from churn.rollout.deploying import DeploymentSettings, Name, Strategy
from churn.rollout.settings import RolloutSettings
from seldon.gateway.state import Server


class Place(Frozen):
    """Names a deployment; its external path is `/seldon/<namespace>/<deployment>/`."""

    namespace: Name
    deployment: Name

    @classmethod
    def of(cls, settings: DeploymentSettings) -> "Place":
        """Return the name of an environment's deployment."""
        return cls(namespace=settings.namespace, deployment=settings.name)

    def __str__(self) -> str:
        """Return both names as in the path."""
        return f"{self.namespace}/{self.deployment}"


class RolloutPlan(Frozen):
    """A version on its way to production."""

    rollout: str = Field(description="names it, such as the id of the pipeline run; nobody else moves the weights")
    place: Place
    candidate: Server
    approval: int = Field(description="sequence of the ledger's entry that lets it go")
    stable: Server | None = Field(description="what is in production; none for a first version")
    strategy: Strategy
    promise: Promise = Field(description="how far it was seen to differ on the newest customers")
    golden: tuple[GoldenRow, ...] = Field(description="inputs whose scores are known")
    settings: RolloutSettings
    baseline_hours: float = Field(description="how far back stable's own requests are taken from, and waited for")
    peek_seconds: float = Field(description="between two looks of the judge")
    smoke_seconds: float = Field(description="longest answer in the smoke test")
    ready_seconds: float = Field(description="longest wait for a server or a weight")
