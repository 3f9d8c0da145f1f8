"""The flavor `churn_local`: server processes behind Envoy on this machine."""

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, cast

from pydantic import Field
from zenml.model_deployers import BaseModelDeployer
from zenml.model_deployers.base_model_deployer import BaseModelDeployerConfig, BaseModelDeployerFlavor

from churn.bundle.checked import FILES, MANIFEST
from seldon.gateway.local import LocalDeployment
from seldon.gateway.settings import GatewaySettings
from seldon.gateway.state import Server
from stacks.customers_store import customers_options
from stacks.deployer import SeldonDeployer
from stacks.environment import active_environment, active_settings, customers_folder, project_clock, project_root

if TYPE_CHECKING:
    from churn.bundle.bundle import Bundle
    from seldon.deployment import Deployment
    from seldon.gateway.prediction_log import Expected
    from seldon.rollout.plan import Place


class LocalDeployerConfig(BaseModelDeployerConfig):
    """Where the gateway listens, and how soon predictions are in the landing zone."""

    port: int = Field(default=0, ge=0, le=65535, description="of the gateway on 127.0.0.1; 0 keeps a free one")
    log_seconds: float = Field(default=10.0, gt=0, description="age at which a file of the prediction log is finished")


class LocalDeployer(SeldonDeployer):
    """Deployments under `.churn/<environment>/serving` of the project."""

    NAME = "Churn local"

    @property
    def config(self) -> LocalDeployerConfig:
        """The checked configuration."""
        return cast(LocalDeployerConfig, self._config)

    def deployment(self, place: "Place", expected: "Expected | None" = None) -> "Deployment":
        """Return a deployment on this machine."""
        settings = active_settings()
        return LocalDeployment(
            _folder(),
            place.namespace,
            place.deployment,
            GatewaySettings(
                port=self.config.port,
                landing=settings.landing.url.rstrip("/"),
                record_seconds=3 * self.config.log_seconds + 3,
                server_options=(
                    "--log-seconds",
                    str(self.config.log_seconds),
                    "--clock",
                    str(project_clock().file),
                    *customers_options(str(customers_folder()), settings.scoring),
                ),
            ),
            expected,
            behind=project_clock().behind,
        )

    def server(self, version: str, bundle: "Bundle") -> Server:
        """Copy a bundle below the deployments, once; it stays for a way back."""
        place = _folder() / "bundles" / bundle.digest
        if not place.is_dir():
            staged = place.with_name(f".{bundle.digest}.{os.getpid()}")
            shutil.rmtree(staged, ignore_errors=True)
            staged.mkdir(parents=True)
            for name in (*FILES, MANIFEST):
                shutil.copyfile(bundle.path / name, staged / name)
            try:
                staged.rename(place)
            except OSError:  # somebody else was quicker
                shutil.rmtree(staged, ignore_errors=True)
        return Server(version=version, digest=bundle.digest, bundle=str(place))

    def bundle(self, server: Server) -> Path:
        """Return the folder that the server reads."""
        return Path(server.bundle)


class LocalDeployerFlavor(BaseModelDeployerFlavor):
    """Registers `churn_local` with ZenML."""

    @property
    def name(self) -> str:
        """Name of the flavor."""
        return "churn_local"

    @property
    def config_class(self) -> type[LocalDeployerConfig]:
        """Its configuration."""
        return LocalDeployerConfig

    @property
    def implementation_class(self) -> type[BaseModelDeployer]:
        """Its implementation."""
        return LocalDeployer


def _folder() -> Path:
    return project_root() / ".churn" / active_environment() / "serving"
