"""An API server that says no, takes its time, or dies."""

import base64
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from seldon.cluster.errors import AccessDenied, ClusterUnavailable
from tests.kube.api_proxy import ApiProxy
from tests.kube.conftest import ROOT, World

Kubeconfig = Callable[..., str]


@pytest.fixture(scope="module", autouse=True)
def _served(world: World) -> None:
    world.apply(world.server(0))


@pytest.fixture
def kubeconfig(world: World, tmp_path: Path) -> Kubeconfig:
    """Writes one for cluster-admin, another server, or an account that is made for it."""

    def write(server: str | None = None, token: str | None = None) -> str:
        chosen = yaml.safe_load(Path(os.environ["KUBECONFIG"]).read_text())
        if server:
            chosen["clusters"][0]["cluster"]["server"] = server
        if token:
            chosen["users"][0]["user"] = {"token": token}
        place = tmp_path / "kubeconfig"
        place.write_text(yaml.safe_dump(chosen))
        return str(place)

    return write


@pytest.fixture
def account(world: World) -> str:
    """The token of an account that nobody has granted anything."""
    base = f"/api/v1/namespaces/{world.namespace}"
    if world.admin.find(f"{base}/serviceaccounts/churn-pipelines") is None:
        world.admin.ask("POST", f"{base}/serviceaccounts", {"metadata": {"name": "churn-pipelines"}})
    deadline = time.monotonic() + 20
    while not (secrets := world.admin.ask("GET", f"{base}/serviceaccounts/churn-pipelines").get("secrets")):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    secret = world.admin.ask("GET", f"{base}/secrets/{secrets[0]['name']}")
    return base64.b64decode(secret["data"]["token"]).decode()


@pytest.fixture
def proxy(world: World) -> Iterator[ApiProxy]:
    proxy = ApiProxy(world.admin.server)
    yield proxy
    proxy.close()


def test_an_account_without_rights_is_named_with_what_it_may_not(
    world: World, kubeconfig: Kubeconfig, account: str
) -> None:
    deployment = world.deployment(kubeconfig=kubeconfig(token=account))
    generation = world.stored()["metadata"]["generation"]

    with pytest.raises(AccessDenied, match=r"may not read its SeldonDeployment.*churn-pipelines.*deploy/rbac\.yaml"):
        deployment.apply(world.desired(world.server(0)))
    with pytest.raises(AccessDenied, match="may not read its lease"), deployment.claimed():
        pass

    assert world.stored()["metadata"]["generation"] == generation


def test_the_role_that_comes_along_is_enough_for_everything(world: World, kubeconfig: Kubeconfig, account: str) -> None:
    base = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{world.namespace}"
    role, binding = yaml.safe_load_all((ROOT / "deploy" / "rbac.yaml").read_text())
    binding["subjects"][0]["namespace"] = world.namespace
    world.admin.ensure(f"{base}/roles/{role['metadata']['name']}", role)
    world.admin.ensure(f"{base}/rolebindings/{binding['metadata']['name']}", binding)
    deployment = world.deployment(kubeconfig=kubeconfig(token=account))

    with deployment.claimed():
        assert deployment.apply(world.desired(world.server(0), canary=world.server(1)), timeout=45).ready
        assert deployment.apply(world.desired(world.server(0)), timeout=45).ready
        deployment.stop()
    assert deployment.apply(world.desired(world.server(0)), timeout=45).ready


def test_a_slow_api_server_is_waited_for(world: World, kubeconfig: Kubeconfig, proxy: ApiProxy) -> None:
    deployment = world.deployment(kubeconfig=kubeconfig(proxy.url))
    proxy.delay = 0.3

    assert deployment.apply(world.desired(world.server(0)), timeout=45).ready


@pytest.mark.parametrize("fault", ["answers too late", "is dead"])
def test_one_that_does_not_answer_is_given_up_in_time_and_changes_nothing(
    world: World, kubeconfig: Kubeconfig, proxy: ApiProxy, fault: str
) -> None:
    deployment = world.deployment(kubeconfig=kubeconfig(proxy.url))
    before = world.stored()["spec"]
    _break(proxy, fault)
    began = time.monotonic()

    with pytest.raises(ClusterUnavailable, match=r"does not answer .*what serves goes on serving"):
        deployment.apply(world.desired(world.server(0)), timeout=45)

    assert time.monotonic() - began < world.settings.api_seconds + 2 * world.settings.answer_seconds + 1
    assert world.stored()["spec"] == before


def test_one_that_dies_in_the_middle_and_returns_loses_nothing(
    world: World, kubeconfig: Kubeconfig, proxy: ApiProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment = world.deployment(kubeconfig=kubeconfig(proxy.url))
    create_or_change = deployment._api.replace

    def die_after(_: Any, body: Any) -> Any:
        answer = create_or_change(body)
        proxy.dead = True
        threading.Timer(1.5, lambda: setattr(proxy, "dead", False)).start()
        return answer

    monkeypatch.setattr(type(deployment._api), "replace", die_after)

    observed = deployment.apply(world.desired(world.server(0), canary=world.server(1)), timeout=45)

    assert observed.ready
    assert observed.canary is not None
    monkeypatch.undo()
    assert world.apply(world.server(0)).ready


def test_a_change_whose_answer_was_lost_is_not_made_twice(
    world: World, kubeconfig: Kubeconfig, proxy: ApiProxy
) -> None:
    deployment = world.deployment(kubeconfig=kubeconfig(proxy.url))
    desired = world.desired(world.server(0), rollout="once")
    asked = deployment._api._ask_once
    lost: list[str] = []

    def lose_the_first_answer(self: Any, method: str, *rest: Any) -> Any:
        answer = asked(method, *rest)  # type: ignore[arg-type]
        if method == "PUT" and not lost:
            lost.append(method)
            raise ClusterUnavailable("the answer was lost")
        return answer

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(deployment._api), "_ask_once", lose_the_first_answer)
        observed = deployment.apply(desired, timeout=45)

    assert lost
    assert observed.generation == desired.generation
    history = world.deployment()._found()
    assert history is not None
    assert [period.generation for period in history.history.periods].count(desired.generation) == 1


def _break(proxy: ApiProxy, fault: str) -> None:
    if fault == "is dead":
        proxy.dead = True
    else:
        proxy.delay = 30.0
