"""Stands in for Seldon Core's operator, which is not here: a SeldonDeployment becomes Deployments and Services.

What it has in common with the real one is what `seldon/cluster` relies on: the names of Deployments and Services, a
predictor's labels and annotations on its pods, `seldon.io/shadow` among the pods' labels (so that a predictor which
becomes or stops being a shadow has its pods rolled), the variables of a unit, routes and removals only once all pods
are ready, and `status.state`. It has no executor: a predictor's Service leads to the server itself.
"""

import threading
import time
from collections.abc import Iterator
from typing import Any

from tests.kube.plain_api import Admin, Json
from tests.kube.split_gateway import Share, SplitGateway

_EVERY = 0.3
_OWN = "seldon-deployment-id"


class StandInOperator:
    def __init__(self, admin: Admin, namespace: str, name: str, gateway: SplitGateway) -> None:
        self._admin, self.namespace, self.name, self._gateway = admin, namespace, name, gateway
        self.errors: list[str] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(_EVERY):
            try:
                self._reconcile()
            except Exception as error:  # the next round tries again, like the real one
                self.errors.append(
                    f"{time.time():.0f} {type(error).__name__}: {str(getattr(error, 'body', error))[:300]}"
                )

    @property
    def _path(self) -> str:
        base = f"/apis/machinelearning.seldon.io/v1/namespaces/{self.namespace}/seldondeployments"
        return f"{base}/{self.name}"

    def _reconcile(self) -> None:
        found = self._admin.find(self._path)
        if found is None or found["metadata"].get("deletionTimestamp"):
            self._gateway.route({})
            return
        predictors = found["spec"]["predictors"]
        for predictor in predictors:
            self._admin.ensure(f"{self._deployments}/{self._child(predictor)}", self._deployment(found, predictor))
            for service in self._services(found, predictor):
                self._admin.ensure(f"{self._core}/services/{service['metadata']['name']}", service)
        workloads = self._admin.items(self._deployments, f"{_OWN}={self.name}")
        wanted = {self._child(predictor) for predictor in predictors}
        if not all(map(_rolled_out, (one for one in workloads if one["metadata"]["name"] in wanted))):
            self._tell("Creating")
            return
        self._gateway.route({one["name"]: self._share(one) for one in predictors})
        for old in workloads:
            if old["metadata"]["name"] not in wanted:
                self._admin.remove(f"{self._deployments}/{old['metadata']['name']}")
                for service in self._admin.items(f"{self._core}/services", f"workload={old['metadata']['name']}"):
                    self._admin.remove(f"{self._core}/services/{service['metadata']['name']}")
        self._tell("Available")

    @property
    def _deployments(self) -> str:
        return f"/apis/apps/v1/namespaces/{self.namespace}/deployments"

    @property
    def _core(self) -> str:
        return f"/api/v1/namespaces/{self.namespace}"

    def _child(self, predictor: Json) -> str:
        return f"{self.name}-{predictor['name']}-0-{predictor['graph']['name']}"

    def _deployment(self, owner: Json, predictor: Json) -> Json:
        [component] = predictor["componentSpecs"]
        [container] = component["spec"]["containers"]
        name, unit = self._child(predictor), predictor["graph"]
        own = {_OWN: self.name, "seldon-app": f"{self.name}-{predictor['name']}"}
        shadow = {"seldon.io/shadow": "true"} if predictor.get("shadow") else {}
        variables = {
            "PREDICTIVE_UNIT_HTTP_SERVICE_PORT": str(unit["endpoint"]["httpPort"]),
            "PREDICTIVE_UNIT_ID": unit["name"],
            "PREDICTOR_ID": predictor["name"],
            "SELDON_DEPLOYMENT_ID": self.name,
        }
        given = [{"name": key, "value": value} for key, value in variables.items()]
        return {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {
                "name": name,
                "namespace": self.namespace,
                "labels": own | predictor["labels"],
                "ownerReferences": [_owner(owner)],
            },
            "spec": {
                "replicas": predictor["replicas"],
                "selector": {"matchLabels": own},
                "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "10%", "maxSurge": "25%"}},
                "template": {
                    "metadata": {
                        "labels": own | predictor["labels"] | shadow,
                        "annotations": predictor["annotations"],
                    },
                    "spec": component["spec"] | {"containers": [container | {"env": given}]},
                },
            },
        }

    def _services(self, owner: Json, predictor: Json) -> Iterator[Json]:
        own = {_OWN: self.name, "seldon-app": f"{self.name}-{predictor['name']}"}
        target = predictor["graph"]["endpoint"]["httpPort"]
        names = {f"{self.name}-{predictor['name']}": 8000}
        names[f"{self.name}-{predictor['name']}-{predictor['graph']['name']}"] = target
        for name, port in names.items():
            yield {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {
                    "name": name,
                    "namespace": self.namespace,
                    "labels": {"workload": self._child(predictor)},
                    "ownerReferences": [_owner(owner)],
                },
                "spec": {
                    "selector": own,
                    "ports": [{"name": "http", "protocol": "TCP", "port": port, "targetPort": target}],
                },
            }

    def _share(self, predictor: Json) -> Share:
        service = self._admin.ask("GET", f"{self._core}/services/{self.name}-{predictor['name']}")
        traffic, shadow = int(predictor.get("traffic") or 0), bool(predictor.get("shadow"))
        return Share(service["spec"]["clusterIP"], 8000, traffic, shadow)

    def _tell(self, state: str) -> None:
        self._admin.merge(f"{self._path}/status", {"status": {"state": state}})


def _owner(owner: Json) -> dict[str, Any]:
    metadata = owner["metadata"]
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": metadata["name"],
        "uid": metadata["uid"],
        "controller": True,
    }


def _rolled_out(workload: Json) -> bool:
    status, wanted = workload.get("status") or {}, workload["spec"]["replicas"]
    if status.get("observedGeneration", 0) < workload["metadata"]["generation"]:
        return False
    return all(status.get(kind, 0) == wanted for kind in ("replicas", "updatedReplicas", "availableReplicas"))
