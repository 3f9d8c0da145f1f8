import json
import os
import shutil
import subprocess
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import fsspec
import pytest
import yaml

from churn.bundle.bundle import Bundle
from churn.bundle.checked import FILES, MANIFEST
from seldon.cluster.cluster import ClusterDeployment
from seldon.cluster.settings import ClusterSettings
from seldon.gateway.prediction_log import bundle_scores
from seldon.gateway.state import Desired, Observed, Server
from tests.churn.landing.conftest import S3, free_ports, running
from tests.kube.plain_api import Admin, Json
from tests.kube.split_gateway import HOST, SplitGateway
from tests.kube.stand_in_operator import StandInOperator
from tests.seldon.serving.conftest import small_bundle

ROOT = Path(__file__).parents[2]
IMAGE = "churn/serving:test"
NAME = "churn"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(item.fspath).is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.kube)


@pytest.fixture(scope="session")
def admin(service_missing: Callable[[str], NoReturn]) -> Admin:
    if "TEST_KUBE_REGISTRY" not in os.environ:
        service_missing("no cluster here; make test-k8s runs these tests in one")
    admin = Admin()
    definition = yaml.safe_load((ROOT / "deploy" / "crds" / "seldondeployments.yaml").read_text())
    path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{definition['metadata']['name']}"
    admin.ensure(path, definition)
    deadline = time.monotonic() + 20
    while not _established(admin.ask("GET", path)):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return admin


def _established(definition: Json) -> bool:
    conditions = (definition.get("status") or {}).get("conditions") or ()
    return any(one["type"] == "Established" and one["status"] == "True" for one in conditions)


@pytest.fixture(scope="session")
def image(admin: Admin) -> str:
    """The server's image by digest, as the registry has it."""
    registry = os.environ["TEST_KUBE_REGISTRY"]
    name, _, tag = IMAGE.partition(":")
    kinds = "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"
    asked = urllib.request.Request(
        f"http://{registry}/v2/{name}/manifests/{tag}", headers={"Accept": kinds}, method="HEAD"
    )
    with urllib.request.urlopen(asked, timeout=10) as answer:
        return f"{registry}/{name}@{answer.headers['Docker-Content-Digest']}"


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory, service_missing: Callable[[str], NoReturn]) -> Iterator[S3]:
    """An object store that pods reach too."""
    with running(tmp_path_factory.mktemp("store"), service_missing, HOST) as server:
        had = fsspec.config.conf.get("s3", {})
        fsspec.config.conf["s3"] = server.options()
        yield server
        fsspec.config.conf["s3"] = had


@pytest.fixture(scope="session")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> tuple[Bundle, ...]:
    """The same model thrice, under three digests."""
    folder = tmp_path_factory.mktemp("bundles")
    return tuple(small_bundle(folder / str(rows), rows) for rows in (200, 190, 180))


@dataclass
class World:
    """A namespace with an operator, a gateway, Prometheus and one deployment."""

    admin: Admin
    namespace: str
    settings: ClusterSettings
    operator: StandInOperator
    gateway: SplitGateway
    folder: Path
    store: S3
    bundles: Sequence[Bundle]
    generation: int = 0
    _stored: dict[str, str] = field(default_factory=dict)

    def deployment(self, **settings: Any) -> ClusterDeployment:
        scores = bundle_scores({bundle.digest: bundle.path for bundle in self.bundles})
        return ClusterDeployment(self.namespace, NAME, self.settings.model_copy(update=settings), scores)

    def server(self, number: int, **other: Any) -> Server:
        bundle = self.bundles[number]
        url = f"s3://{self.store.bucket}/bundles/{bundle.digest}"
        if bundle.digest not in self._stored:
            files = fsspec.filesystem("s3")
            for name in (*FILES, MANIFEST):
                files.pipe_file(
                    f"{self.store.bucket}/bundles/{bundle.digest}/{name}", (bundle.path / name).read_bytes()
                )
            self._stored[bundle.digest] = url
        return Server(**{"version": str(number + 1), "digest": bundle.digest, "bundle": url} | other)

    def desired(self, stable: Server, **state: Any) -> Desired:
        self.generation += 1
        return Desired(namespace=self.namespace, deployment=NAME, generation=self.generation, stable=stable, **state)

    def apply(self, stable: Server, timeout: float = 45.0, **state: Any) -> Observed:
        return self.deployment().apply(self.desired(stable, **state), timeout=timeout)

    @property
    def path(self) -> str:
        return f"/apis/machinelearning.seldon.io/v1/namespaces/{self.namespace}/seldondeployments/{NAME}"

    def stored(self) -> Json:
        found: Json = self.admin.ask("GET", self.path)
        return found

    def pods(self) -> list[Json]:
        pods = self.admin.items(f"/api/v1/namespaces/{self.namespace}/pods", f"churn-platform/deployment={NAME}")
        return [pod for pod in pods if not pod["metadata"].get("deletionTimestamp")]

    def shares(self) -> dict[str, tuple[int, bool]]:
        predictors = self.stored()["spec"]["predictors"]
        return {one["name"]: (one["traffic"], one.get("shadow", False)) for one in predictors}


@contextmanager
def prometheus(folder: Path, port: int, metrics_port: int, namespace: str, missing: Callable[[str], NoReturn]) -> Any:
    program = shutil.which("prometheus")
    if program is None:
        missing("prometheus is not installed; make services")
    target = {"targets": [f"{HOST}:{metrics_port}"], "labels": {"namespace": namespace}}
    job = {"job_name": "executors", "metrics_path": "/prometheus", "static_configs": [target]}
    (folder / "prometheus.yml").write_text(
        yaml.safe_dump({"global": {"scrape_interval": "1s"}, "scrape_configs": [job]})
    )
    command = [
        program,
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'tsdb'}",
        f"--web.listen-address={HOST}:{port}",
    ]
    with (
        (folder / "prometheus.log").open("wb") as log,
        subprocess.Popen(command, stdout=log, stderr=log) as process,
    ):
        try:
            yield f"http://{HOST}:{port}"
        finally:
            process.kill()


@pytest.fixture(scope="module")
def world(
    admin: Admin,
    image: str,
    store: S3,
    bundles: tuple[Bundle, ...],
    tmp_path_factory: pytest.TempPathFactory,
    service_missing: Callable[[str], NoReturn],
) -> Iterator[World]:
    namespace, folder = f"churn-{uuid.uuid4().hex[:6]}", tmp_path_factory.mktemp("world")
    admin.ask("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
    secret = {
        "FSSPEC_S3_ENDPOINT_URL": store.endpoint,
        "FSSPEC_S3_KEY": store.options()["key"],
        "FSSPEC_S3_SECRET": store.options()["secret"],
    }
    admin.ask("POST", f"/api/v1/namespaces/{namespace}/secrets", {"metadata": {"name": "store"}, "stringData": secret})
    ports = free_ports(4)
    gateway = SplitGateway(folder, ports[:3], namespace, NAME)
    operator = StandInOperator(admin, namespace, NAME, gateway)
    with prometheus(folder, ports[3], ports[2], namespace, service_missing) as url:
        settings = ClusterSettings(
            image=image,
            landing=f"s3://{store.bucket}/{namespace}",
            gateway=f"http://{HOST}:{ports[0]}",
            prometheus=url,
            replicas=1,
            cpu="20m",
            memory="256Mi",
            env_secret="store",
            log_seconds=1.0,
            drain_seconds=4,
            settle_seconds=1.0,
            api_seconds=5.0,
            answer_seconds=2.0,
            lease_seconds=3,
        )
        gateway.start()
        operator.start()
        try:
            yield World(admin, namespace, settings, operator, gateway, folder, store, bundles)
        finally:
            operator.stop()
            gateway.stop()
            admin.ask("DELETE", f"/api/v1/namespaces/{namespace}")
            (folder / "operator.json").write_text(json.dumps(operator.errors, indent=1))
