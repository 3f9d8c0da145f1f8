"""On a real API server: what is made, re-weighted and taken back, and what happens when others meddle."""

import json
import time
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import fsspec
import pytest

from churn.online.stored import stored_as
from seldon.cluster.layout import CONTAINER
from seldon.deployment import DeploymentNotReady, GenerationRefused, RolloutRuns
from seldon.rollout.plan import Place
from seldon.rollout.reconcile import out_of_line, reconcile
from seldon.rollout.smoke import smoke_test
from tests.kube.conftest import NAME, World
from tests.seldon.serving.published import asked, customers, publish


def test_a_first_version_is_created_answers_and_holds_what_the_bundle_says(world: World) -> None:
    first = world.server(0)
    assert world.deployment().observe() is None

    observed = world.apply(first)

    assert observed.ready
    assert observed.stable is not None
    assert (observed.stable.version, observed.stable.digest) == ("1", first.digest)
    assert smoke_test(world.deployment().url("stable"), first, world.bundles[0].manifest.golden, 2.0) < 2.0
    with urllib.request.urlopen(f"{world.deployment().gateway_url()}/health/status", timeout=5) as answer:
        assert answer.status == 200


def test_the_image_is_named_by_digest_and_the_server_may_do_nothing_but_serve(world: World, image: str) -> None:
    [pod] = world.pods()
    [container] = pod["spec"]["containers"]
    [status] = pod["status"]["containerStatuses"]

    assert container["image"] == image
    assert status["imageID"].rpartition("@")[2] == image.rpartition("@")[2]
    context = container["securityContext"]
    assert context["readOnlyRootFilesystem"]
    assert context["runAsNonRoot"]
    assert not context["allowPrivilegeEscalation"]
    assert context["capabilities"] == {"drop": ["ALL"]}
    assert not pod["spec"]["automountServiceAccountToken"]


def test_weights_move_without_new_pods_and_a_rollback_removes_the_canary(world: World) -> None:
    stable, canary = world.server(0), world.server(1)

    world.apply(stable, canary=canary)
    assert world.shares() == {"stable": (100, False), "canary": (0, True)}
    assert world.deployment().url("canary").endswith(f"canary-{CONTAINER}.{world.namespace}:9000")
    world.apply(stable, canary=canary, mirror=True)
    assert world.shares() == {"stable": (100, False), "canary": (100, True)}
    world.apply(stable, canary=canary, canary_weight=5, salt="a")
    assert world.shares() == {"stable": (95, False), "canary": (5, False)}
    before = {pod["metadata"]["name"] for pod in world.pods()}
    observed = world.apply(stable, canary=canary, canary_weight=50, salt="a")
    assert world.shares() == {"stable": (50, False), "canary": (50, False)}
    assert {pod["metadata"]["name"] for pod in world.pods()} == before
    assert observed.canary is not None
    assert observed.canary.digest == canary.digest

    observed = world.apply(stable)

    assert observed.ready
    assert observed.canary is None
    assert world.shares() == {"stable": (100, False)}
    assert [pod["metadata"]["labels"]["churn-platform/track"] for pod in world.pods()] == ["stable"]


def test_what_others_write_beside_it_stays_and_a_conflict_is_looked_at_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment = world.deployment()
    replace = deployment._api.replace
    met: list[str] = []

    def somebody_is_quicker(body: Any) -> Any:
        if not met:
            world.admin.merge(world.path, {"metadata": {"labels": {"team": "growth"}}})
            met.append(body["metadata"]["resourceVersion"])
        return replace(body)

    monkeypatch.setattr(type(deployment._api), "replace", lambda _, body: somebody_is_quicker(body))

    observed = deployment.apply(world.desired(world.server(0)), timeout=30)

    assert observed.ready
    assert world.stored()["metadata"]["labels"]["team"] == "growth"
    assert world.stored()["metadata"]["resourceVersion"] != met[0]


def test_of_two_who_change_it_the_second_is_refused(world: World) -> None:
    stale = world.desired(world.server(0), rollout="slow")
    world.apply(world.server(0), rollout="quick")

    with pytest.raises(GenerationRefused, match="was set by quick"):
        world.deployment().apply(stale, timeout=10)


def test_predictors_changed_by_hand_are_noticed_and_mended(world: World) -> None:
    predictors = world.stored()["spec"]["predictors"]
    predictors[0]["traffic"] = 40
    world.admin.merge(world.path, {"spec": {"predictors": predictors}})

    observed = world.deployment().observe()

    assert observed is not None
    assert not observed.ready
    assert "by hand" in (observed.fault or "")
    assert world.apply(world.server(0)).ready


def test_a_bundle_that_is_another_one_is_refused_and_what_serves_goes_on(world: World) -> None:
    wrong = world.server(1, digest="0" * 64)

    with pytest.raises(DeploymentNotReady, match=r"pod churn-canary\S+: its server ended with status 3 .*was expected"):
        world.apply(world.server(0), canary=wrong)

    with urllib.request.urlopen(f"{world.deployment().gateway_url()}/health/status", timeout=5) as answer:
        assert answer.status == 200
    assert world.apply(world.server(0)).ready


def test_one_rollout_at_a_time_until_its_lease_runs_out(world: World) -> None:
    with world.deployment().claimed():
        time.sleep(world.settings.lease_seconds + 1)  # renewed meanwhile
        with pytest.raises(RolloutRuns), world.deployment().claimed():
            pass
    with world.deployment().claimed():
        pass
    dead = world.deployment()
    dead._api.write_lease(
        (lease := dict(dead._api.lease() or {}))
        | {"spec": lease["spec"] | {"holderIdentity": "died", "renewTime": "2026-01-01T00:00:00.000000Z"}},
        new=False,
    )
    with world.deployment().claimed():
        pass


def test_what_a_rollout_that_died_has_left_is_cleared_away(world: World) -> None:
    stable = world.server(0)
    world.apply(stable, canary=world.server(1), canary_weight=50, salt="a", rollout="died")
    place = Place(namespace=world.namespace, deployment=NAME)

    assert out_of_line(world.deployment(), place, "1", stable.digest) != ()
    assert reconcile(world.deployment(), place, stable, 45)

    assert world.shares() == {"stable": (100, False)}
    assert out_of_line(world.deployment(), place, "1", stable.digest) == ()
    world.generation += 1


def test_customers_are_answered_by_their_tokens_from_the_store(world: World, tmp_path: Path) -> None:
    bundle, url = world.bundles[1], f"s3://{world.store.bucket}/{world.namespace}/serving/customers"
    rows = customers(bundle)
    made = publish(tmp_path, bundle, rows)
    name = stored_as(made.cutoff, made.version, made.digest, datetime.now(UTC)).name
    fsspec.filesystem("s3").pipe_file(f"{url}/{name}", made.path.read_bytes())

    deployment = world.deployment(customers=("--customers", url))
    assert deployment.apply(world.desired(world.server(1)), timeout=60).ready

    body = json.dumps(asked(rows["customer_id"][0])).encode()
    question = urllib.request.Request(
        f"{deployment.gateway_url()}/api/v1.0/predictions", body, {"content-type": "application/json"}
    )
    deadline = time.monotonic() + 20
    while (digest := answered_from(question)) is None:  # the pod of before goes a moment later
        assert time.monotonic() < deadline
        time.sleep(0.5)
    assert digest == made.digest


def answered_from(question: urllib.request.Request) -> str | None:
    """Return the digest of the customer snapshot; none from a server that knows no customers."""
    try:
        with urllib.request.urlopen(question, timeout=5) as answer:
            digest: str = json.load(answer)["meta"]["tags"]["snapshot"]["digest"]
            return digest
    except HTTPError as error:
        if json.load(error)["status"]["reason"] != "NO_CUSTOMERS":
            raise
        return None


def test_stopped_it_is_gone_and_remembers_what_served_last(world: World) -> None:
    served = world.deployment().desired()

    world.deployment().stop()

    assert world.admin.find(world.path) is None
    assert not world.pods()
    assert world.deployment().observe() is None
    assert world.deployment().desired() == served
    with pytest.raises(DeploymentNotReady, match="nothing runs"):
        world.deployment().gateway_url()
    with pytest.raises(GenerationRefused):
        world.deployment().apply(world.desired(world.server(0)).model_copy(update={"generation": 1}))
    assert world.apply(world.server(0)).ready
