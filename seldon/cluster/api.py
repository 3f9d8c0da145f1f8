"""The API server, asked with patience that ends."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from churn.log import get_logger
from seldon.cluster.errors import ClusterUnavailable, ManifestRefused, refusal
from seldon.cluster.layout import DEPLOYMENT_LABEL
from seldon.cluster.manifest import GROUP, PLURAL, VERSION
from seldon.cluster.settings import ClusterSettings

if TYPE_CHECKING:
    from kubernetes.client import ApiClient

log = get_logger(__name__)

Object = Mapping[str, Any]
"""An object of the cluster as JSON."""

_Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 2.0


@dataclass(frozen=True)
class Api:
    """The objects of one deployment.

    Every question is asked again when nobody answers, until `api_seconds` are over; a change that may have happened
    already is then found by whoever looks again, since each names the version of the object that it changes.
    """

    namespace: str
    name: str
    settings: ClusterSettings
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic

    @property
    def place(self) -> str:
        """Names the deployment in messages."""
        return f"deployment {self.namespace}/{self.name}"

    def deployment(self) -> Object | None:
        """Return the SeldonDeployment."""
        return self._found(f"{self._seldon}/{self.name}", "read its SeldonDeployment")

    def create(self, body: Object) -> Object:
        """Make the SeldonDeployment.

        Raises:
            Conflict: there is one.
        """
        return self._ask("POST", self._seldon, "create its SeldonDeployment", body)

    def replace(self, body: Object) -> Object:
        """Change the SeldonDeployment as a whole.

        Raises:
            Conflict: it is not the version any more that `body` was made from.
        """
        return self._ask("PUT", f"{self._seldon}/{self.name}", "update its SeldonDeployment", body)

    def annotate(self, version: str, annotations: Mapping[str, str]) -> Object:
        """Change annotations of the SeldonDeployment.

        Raises:
            Conflict: it is not this version any more.
        """
        body = {"metadata": {"resourceVersion": version, "annotations": dict(annotations)}}
        return self._ask("PATCH", f"{self._seldon}/{self.name}", "update its SeldonDeployment", body)

    def delete(self) -> None:
        """Remove the SeldonDeployment and, by the cluster, all that belongs to it."""
        self._ask("DELETE", f"{self._seldon}/{self.name}", "delete its SeldonDeployment", missing_is_fine=True)

    def pods(self) -> tuple[Object, ...]:
        """Return its pods."""
        return self._listed(f"/api/v1/namespaces/{self.namespace}/pods", "list its pods")

    def workloads(self) -> tuple[Object, ...]:
        """Return Kubernetes' Deployments that its operator made."""
        return self._listed(f"/apis/apps/v1/namespaces/{self.namespace}/deployments", "list its Deployments")

    def lease(self) -> Object | None:
        """Return the Lease of its rollout."""
        return self._found(f"{self._leases}/{self.name}-rollout", "read its lease")

    def write_lease(self, body: Object, *, new: bool) -> Object:
        """Make or change the Lease.

        Raises:
            Conflict: somebody else did.
        """
        if new:
            return self._ask("POST", self._leases, "create its lease", body)
        return self._ask("PUT", f"{self._leases}/{self.name}-rollout", "update its lease", body)

    @property
    def _seldon(self) -> str:
        return f"/apis/{GROUP}/{VERSION}/namespaces/{self.namespace}/{PLURAL}"

    @property
    def _leases(self) -> str:
        return f"/apis/coordination.k8s.io/v1/namespaces/{self.namespace}/leases"

    def _found(self, path: str, doing: str) -> Object | None:
        return self._ask("GET", path, doing, missing_is_fine=True) or None

    def _listed(self, path: str, doing: str) -> tuple[Object, ...]:
        query = [("labelSelector", f"{DEPLOYMENT_LABEL}={self.name}")]
        return tuple(self._ask("GET", path, doing, query=query)["items"])

    def _ask(
        self,
        method: _Method,
        path: str,
        doing: str,
        body: Object | None = None,
        *,
        query: list[tuple[str, str]] | None = None,
        missing_is_fine: bool = False,
    ) -> Object:
        deadline = self.clock() + self.settings.api_seconds
        pause = _FIRST_PAUSE
        while True:
            try:
                return self._ask_once(method, path, doing, body, query or [], missing_is_fine)
            except ClusterUnavailable as error:
                if self.clock() + pause >= deadline:
                    raise ClusterUnavailable(
                        f"{error}; given up after {self.settings.api_seconds:.0f} s, what serves goes on serving"
                    ) from None
                log.warning("cluster_asked_again", deployment=self.place, doing=doing)
            self.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _ask_once(
        self,
        method: _Method,
        path: str,
        doing: str,
        body: Object | None,
        query: list[tuple[str, str]],
        missing_is_fine: bool,
    ) -> Object:
        from kubernetes.client import ApiException
        from urllib3.exceptions import HTTPError

        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        try:
            answer: Object = self._client.call_api(
                path,
                method,
                query_params=query,
                header_params={"Accept": "application/json", "Content-Type": kind},
                body=body,
                auth_settings=["BearerToken"],
                response_type="object",
                _return_http_data_only=True,
                _request_timeout=(self.settings.answer_seconds, self.settings.answer_seconds),
            )
        except ApiException as error:
            if not error.status:  # the client's way to say that TLS failed
                raise self._unanswered(doing, "TLS") from None
            says = _status(error.body)
            if error.status == 404 and missing_is_fine and says.get("details", {}).get("name"):
                return {}
            raise refusal(self.place, doing, int(error.status), says) from None
        except HTTPError as error:
            raise self._unanswered(doing, type(error).__name__) from None
        return answer

    def _unanswered(self, doing: str, why: str) -> ClusterUnavailable:
        return ClusterUnavailable(f"{self.place}: cannot {doing}: the API server does not answer ({why})")

    @cached_property
    def _client(self) -> "ApiClient":
        from kubernetes import client, config
        from kubernetes.config import ConfigException

        settings, chosen = self.settings, client.Configuration()
        try:
            if settings.context is None and settings.kubeconfig is None and _in_a_pod():
                config.load_incluster_config(client_configuration=chosen)
            else:
                config.load_kube_config(
                    config_file=settings.kubeconfig, context=settings.context, client_configuration=chosen
                )
        except (ConfigException, OSError) as error:
            raise ManifestRefused(
                f"{self.place}: no way to the cluster: {error}; set the deployer's context, or KUBECONFIG"
            ) from None
        chosen.retries = False  # this module asks again, and knows for how long
        return client.ApiClient(chosen)


def _in_a_pod() -> bool:
    import os

    return "KUBERNETES_SERVICE_HOST" in os.environ


def _status(body: str | bytes | None) -> dict[str, Any]:
    try:
        found = json.loads(body or "")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
