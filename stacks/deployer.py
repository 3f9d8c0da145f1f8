"""What a model deployer is to a pipeline: it hands out deployments, and shows them in `zenml model-deployer`."""

from abc import abstractmethod
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, cast
from uuid import UUID

from zenml.client import Client
from zenml.enums import ServiceState
from zenml.model_deployers import BaseModelDeployer
from zenml.models import ServiceType
from zenml.services import BaseService, ServiceConfig
from zenml.services.service import BaseDeploymentService

from churn.errors import ChurnError
from seldon.deployment import DeploymentNotReady
from seldon.gateway.prediction_log import Expected
from seldon.gateway.state import Server
from seldon.rollout.plan import Place
from stacks.environment import active_settings

if TYPE_CHECKING:
    from churn.bundle.bundle import Bundle
    from seldon.deployment import Deployment


class NoDeployer(ChurnError):
    """The active stack cannot deploy."""


class SeldonServiceConfig(ServiceConfig):
    """What ZenML keeps of a deployment for good; the version it serves is the service's model version."""

    namespace: str
    deployment: str


class SeldonService(BaseDeploymentService):
    """A deployment as ZenML lists it; who stands behind it changes without ZenML."""

    SERVICE_TYPE: ClassVar[ServiceType] = ServiceType(
        name="churn-seldon", type="model-serving", flavor="churn", description="Seldon prediction API of a churn model"
    )
    config: SeldonServiceConfig

    @property
    def prediction_url(self) -> str | None:
        """Where predictions are asked for; None while nothing runs."""
        try:
            return f"{self._deployment.gateway_url()}/api/v1.0/predictions"
        except DeploymentNotReady:
            return None

    def check_status(self) -> tuple[ServiceState, str]:
        """Return whether it serves, and what is wrong if it does not."""
        observed = self._deployment.observe()
        if observed is None:
            return ServiceState.INACTIVE, "nothing is deployed"
        if observed.stable is not None and observed.stable.ready:
            return ServiceState.ACTIVE, observed.fault or ""
        return ServiceState.ERROR, observed.fault or "no server is ready"

    def get_logs(self, follow: bool = False, tail: int | None = None) -> Generator[str, bool, None]:
        """Return nothing: a deployment has a log for each process, `churn serve status` says where."""
        yield from ()

    def provision(self) -> None:
        """Do nothing: a version is deployed by its rollout."""

    def deprovision(self, force: bool = False) -> None:
        """End every process of it."""
        self._deployment.stop()

    @property
    def _deployment(self) -> "Deployment":
        return active_deployer().deployment(Place(namespace=self.config.namespace, deployment=self.config.deployment))


class SeldonDeployer(BaseModelDeployer):
    """Base of the two flavors."""

    @abstractmethod
    def deployment(self, place: Place, expected: Expected | None = None) -> "Deployment":
        """Return a deployment, whether it runs or not.

        Args:
            place: its name.
            expected: scores logged inputs a second time, for the judge.
        """

    @abstractmethod
    def server(self, version: str, bundle: "Bundle") -> Server:
        """Put a bundle where a server can read it as long as it is needed, and return how to name it."""

    @abstractmethod
    def bundle(self, server: Server) -> Path:
        """Return a folder of this machine that holds a server's bundle."""

    def show(self, place: Place, model: str, version: str) -> None:
        """Make a deployment, and the version in production, known to `zenml model-deployer models list`."""
        config = SeldonServiceConfig(
            name=f"{place.namespace}-{place.deployment}",
            model_name=model,
            namespace=place.namespace,
            deployment=place.deployment,
        )
        client = Client()
        found = client.list_services(service_name=config.service_name, hydrate=True).items
        at = Client().get_model_version(model, int(version)).id
        made = found[0] if found else client.create_service(config, SeldonService.SERVICE_TYPE, model_version_id=at)
        service = SeldonService(uuid=made.id, admin_state=ServiceState.ACTIVE, config=config, status={}, endpoint=None)
        service.update_status()
        client.update_service(
            id=made.id,
            service_source=service.model_dump().get("type"),
            admin_state=service.admin_state,
            status=service.status.model_dump(),
            prediction_url=service.prediction_url,
            model_version_id=at,
        )

    @staticmethod
    def get_model_server_info(service: BaseService) -> dict[str, str | None]:
        """Return what `zenml model-deployer models describe` shows."""
        assert isinstance(service, SeldonService)
        return {"PREDICTION_URL": service.prediction_url, "DEPLOYMENT": service.config.service_name}

    def perform_deploy_model(self, id: UUID, config: ServiceConfig, timeout: int = 0) -> BaseService:
        """Refuse: a version is rolled out, with an approval and under the judge."""
        raise NoDeployer(
            "a version is deployed by its rollout: churn deploy VERSION, or pipelines.deployment.deploy_model"
        )

    def perform_stop_model(self, service: BaseService, timeout: int = 0, force: bool = False) -> BaseService:
        """End every process of a deployment."""
        cast(SeldonService, service).deprovision(force)
        return service

    def perform_start_model(self, service: BaseService, timeout: int = 0) -> BaseService:
        """Refuse: `churn serve start` brings back what the ledger has in production."""
        raise NoDeployer("a deployment is started by churn serve start, which asks the ledger what is in production")

    def perform_delete_model(self, service: BaseService, timeout: int = 0, force: bool = False) -> None:
        """End every process of a deployment."""
        cast(SeldonService, service).deprovision(force)


def active_deployer() -> SeldonDeployer:
    """Return the model deployer of the active stack.

    Raises:
        NoDeployer: the stack has none of ours.
    """
    stack = Client().active_stack
    deployer = stack.model_deployer
    if not isinstance(deployer, SeldonDeployer):
        raise NoDeployer(
            f"the stack {stack.name} has no model deployer of the flavors churn_local or churn_cluster; register it "
            "again: churn stack register"
        )
    return deployer


def active_deployment() -> "tuple[Place, Deployment]":
    """Return the deployment that the settings name, whether it runs or not.

    Raises:
        NoDeployer: the stack has none of ours.
    """
    place = Place.of(active_settings().deployment)
    return place, active_deployer().deployment(place)
