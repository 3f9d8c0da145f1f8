import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from seldon.cluster.layout import CONTAINER, Layout, layout_of, spec_of
from seldon.cluster.manifest import Metadata, SeldonDeployment
from seldon.cluster.settings import ClusterSettings
from seldon.gateway.state import Desired, Server

ROOT = Path(__file__).parents[3]
STABLE = Server(version="1", digest="1" * 64, bundle="s3://store/bundles/1")
CANARY = Server(version="2", digest="2" * 64, bundle="s3://store/bundles/2")
SETTINGS = ClusterSettings(
    image=f"registry.internal/churn/serving@sha256:{'a' * 64}",
    landing="s3://landing",
    gateway="http://ingress",
    prometheus="http://prometheus:9090",
)


def predictors(layout: Layout, **settings: Any) -> dict[str, Any]:
    spec = spec_of(layout, "churn", "churn", SETTINGS.model_copy(update=settings)).plain()
    return {predictor["name"]: predictor for predictor in spec["predictors"]}


layouts = st.builds(
    lambda weight, mirror: Layout(stable=STABLE, canary=CANARY, weight=weight, mirror=mirror and not weight),
    st.integers(0, 100),
    st.booleans(),
)


@given(layouts)
def test_who_answers_shares_all_requests_and_nobody_answers_at_a_traffic_of_nought(layout: Layout) -> None:
    found = predictors(layout)

    answering = {name: one["traffic"] for name, one in found.items() if not one.get("shadow")}

    assert sum(answering.values()) == 100
    assert all(answering.values())
    assert answering.get("canary", 0) == layout.weight


def test_a_mirror_gets_a_copy_of_everything_and_one_that_waits_of_nothing_it_is_sent() -> None:
    mirror = predictors(Layout(stable=STABLE, canary=CANARY, mirror=True))
    waiting = predictors(Layout(stable=STABLE, canary=CANARY))

    assert (mirror["canary"]["shadow"], mirror["canary"]["traffic"]) == (True, 100)
    assert (waiting["canary"]["shadow"], waiting["canary"]["traffic"]) == (True, 0)


def test_servers_are_told_where_customers_are_known() -> None:
    where = ("--customers", "s3://store/serving/customers", "--customers-when-stale", "warn")
    found = predictors(Layout(stable=STABLE, canary=CANARY), customers=where)

    for predictor in found.values():
        [container] = predictor["componentSpecs"][0]["spec"]["containers"]
        assert tuple(container["args"][-4:]) == where


def test_alone_stable_has_everything() -> None:
    [(name, predictor)] = predictors(Layout(stable=STABLE)).items()

    assert (name, predictor["traffic"], "shadow" in predictor) == ("stable", 100, False)


def test_pods_serve_one_bundle_by_digest_from_the_store_and_may_do_nothing_else() -> None:
    [component] = predictors(Layout(stable=STABLE), service_account="churn-serving", env_secret="keys")["stable"][
        "componentSpecs"
    ]
    pod = component["spec"]
    [container] = pod["containers"]
    options = dict(zip(container["args"][::2], container["args"][1::2], strict=True))

    assert container["name"] == CONTAINER
    assert (options["--bundle"], options["--digest"]) == (STABLE.bundle, STABLE.digest)
    assert re.fullmatch(r"[^@]+@sha256:[0-9a-f]{64}", container["image"])
    assert container["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 10001,
        "runAsGroup": 10001,
        "readOnlyRootFilesystem": True,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert container["resources"]["limits"]["memory"] == container["resources"]["requests"]["memory"]
    assert container["envFrom"] == [{"secretRef": {"name": "keys"}}]
    assert pod["serviceAccountName"] == "churn-serving"
    assert float(options["--drain-seconds"]) < pod["terminationGracePeriodSeconds"]
    assert component["pdbSpec"] == {"maxUnavailable": 1}
    assert "hpaSpec" not in component


def test_the_autoscaler_is_there_when_it_may_add_pods() -> None:
    [component] = predictors(Layout(stable=STABLE), max_replicas=5)["stable"]["componentSpecs"]

    assert (component["hpaSpec"]["minReplicas"], component["hpaSpec"]["maxReplicas"]) == (2, 5)


def test_an_image_by_tag_is_refused() -> None:
    with pytest.raises(ValidationError, match="image"):
        ClusterSettings(**SETTINGS.model_dump() | {"image": "registry.internal/churn/serving:1"})


def test_a_wish_without_stable_is_refused() -> None:
    with pytest.raises(ValueError, match="no stable server"):
        layout_of(Desired(namespace="churn", deployment="churn", generation=1))


def test_every_field_is_one_of_the_recorded_schema() -> None:
    definition = yaml.safe_load((ROOT / "deploy" / "crds" / "seldondeployments.yaml").read_text())
    schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    made = SeldonDeployment(
        metadata=Metadata(name="churn", namespace="churn"),
        spec=spec_of(
            Layout(stable=STABLE, canary=CANARY, weight=5),
            "churn",
            "churn",
            SETTINGS.model_copy(update={"max_replicas": 3}),
        ),
    ).plain()

    assert list(unknown(made["spec"], schema["properties"]["spec"], "spec")) == []


def unknown(value: Any, schema: Any, path: str) -> Any:
    """Fields that the schema does not describe, down to where it stops describing: a container's insides."""
    kinds = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool}
    if "type" in schema and not isinstance(value, kinds[schema["type"]]):
        yield f"{path} is no {schema['type']}"
    for name, inner in value.items() if isinstance(value, dict) else ():
        known = schema.get("properties")
        if known and name in known:
            yield from unknown(inner, known[name], f"{path}.{name}")
        elif known and path.rpartition(".")[2] not in ("spec", "containers[]") and "additionalProperties" not in schema:
            yield f"{path}.{name}"
    for inner in value if isinstance(value, list) else ():
        yield from unknown(inner, schema.get("items", {}), f"{path}[]")
