"""The flavor `churn_cluster`: predictors of a SeldonDeployment on Kubernetes."""

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, cast

from pydantic import Field
from zenml.client import Client
from zenml.io import fileio
from zenml.model_deployers import BaseModelDeployer
from zenml.model_deployers.base_model_deployer import BaseModelDeployerConfig, BaseModelDeployerFlavor

from churn.bundle.checked import FILES, MANIFEST
from seldon.cluster.cluster import ClusterDeployment
from seldon.cluster.settings import ClusterSettings
from seldon.gateway.state import Server
from stacks.customers_store import customers_options, customers_url
from stacks.deployer import SeldonDeployer
from stacks.environment import active_environment, active_settings, project_root

if TYPE_CHECKING:
    from churn.bundle.bundle import Bundle
    from seldon.deployment import Deployment
    from seldon.gateway.prediction_log import Expected
    from seldon.rollout.plan import Place


class ClusterDeployerConfig(BaseModelDeployerConfig):
    """Where the cluster is, and what its pods are given; `seldon/cluster/settings.py` says more of each."""

    image: str = Field(description="of the prediction server, by digest")
    gateway: str = Field(description="of the ingress, such as http://ingress.internal")
    prometheus: str = Field(description="of the API, such as http://prometheus.monitoring:9090")
    kubernetes_context: str | None = Field(default=None, description="outside of the cluster: of the kubeconfig")
    namespace_label: str = Field(default="namespace")
    replicas: int = Field(default=2)
    max_replicas: int = Field(default=0)
    busy_percent: int = Field(default=70)
    cpu: str = Field(default="250m")
    cpu_limit: str = Field(default="1")
    memory: str = Field(default="512Mi")
    service_account: str | None = Field(default=None)
    env_secret: str | None = Field(default=None)
    log_seconds: float = Field(default=10.0)
    settle_seconds: float = Field(default=5.0)

    @property
    def is_remote(self) -> bool:
        """Whether it needs what other machines can reach, such as a remote artifact store."""
        return True


class ClusterDeployer(SeldonDeployer):
    """Deployments on a cluster; bundles lie beside the pipelines' artifacts, by digest."""

    NAME = "Churn cluster"

    @property
    def config(self) -> ClusterDeployerConfig:
        """The checked configuration."""
        return cast(ClusterDeployerConfig, self._config)

    def deployment(self, place: "Place", expected: "Expected | None" = None) -> "Deployment":
        """Return a deployment on the cluster."""
        config, chosen, store = self.config, active_settings(), customers_url()
        names = set(ClusterSettings.model_fields) & set(type(config).model_fields)
        settings = ClusterSettings(
            landing=chosen.landing.url.rstrip("/"),
            customers=customers_options(store, chosen.scoring) if store else (),
            context=None if os.environ.get("KUBERNETES_SERVICE_HOST") else config.kubernetes_context,
            **{name: getattr(config, name) for name in names},
        )
        return ClusterDeployment(place.namespace, place.deployment, settings, expected)

    def server(self, version: str, bundle: "Bundle") -> Server:
        """Copy a bundle into the artifact store, once; it stays for a way back."""
        url = f"{Client().active_stack.artifact_store.path.rstrip('/')}/serving/bundles/{bundle.digest}"
        if not fileio.exists(f"{url}/{MANIFEST}"):
            fileio.makedirs(url)
            for name in (*FILES, MANIFEST):  # the manifest last: with it the bundle is whole
                with fileio.open(f"{url}/{name}", "wb") as file:
                    file.write((bundle.path / name).read_bytes())
        return Server(version=version, digest=bundle.digest, bundle=url)

    def bundle(self, server: Server) -> Path:
        """Copy a server's bundle to this machine, once."""
        place = project_root() / ".churn" / active_environment() / "serving" / "bundles" / server.digest
        if not place.is_dir():
            staged = place.with_name(f".{server.digest}.{os.getpid()}")
            shutil.rmtree(staged, ignore_errors=True)
            staged.mkdir(parents=True)
            for name in (*FILES, MANIFEST):
                with fileio.open(f"{server.bundle}/{name}", "rb") as file:
                    (staged / name).write_bytes(file.read())
            try:
                staged.rename(place)
            except OSError:  # somebody else was quicker
                shutil.rmtree(staged, ignore_errors=True)
        return place


class ClusterDeployerFlavor(BaseModelDeployerFlavor):
    """Registers `churn_cluster` with ZenML."""

    @property
    def name(self) -> str:
        """Name of the flavor."""
        return "churn_cluster"

    @property
    def config_class(self) -> type[ClusterDeployerConfig]:
        """Its configuration."""
        return ClusterDeployerConfig

    @property
    def implementation_class(self) -> type[BaseModelDeployer]:
        """Its implementation."""
        return ClusterDeployer
