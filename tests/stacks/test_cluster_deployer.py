from collections.abc import Iterator
from pathlib import Path

import click.testing
import pytest
import yaml
from zenml.cli.cli import cli
from zenml.client import Client

from churn.bundle.bundle import Bundle, open_bundle
from seldon.cluster.cluster import ClusterDeployment
from seldon.rollout.plan import Place
from stacks.cluster_deployer import ClusterDeployer
from stacks.deployer import active_deployer
from stacks.register import register_stack
from tests.seldon.serving.conftest import small_bundle

IMAGE = f"registry.internal/churn/serving@sha256:{'a' * 64}"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return small_bundle(tmp_path_factory.mktemp("deployer") / "bundle")


@pytest.fixture
def deployer(zenml: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ClusterDeployer]:
    """Staging's deployer beside a local orchestrator and artifact store."""
    root = Path(__file__).parents[2]
    (tmp_path / "configs").symlink_to(root / "configs")
    stack = yaml.safe_load((root / "stacks" / "staging.yaml").read_text())
    components = [one for one in stack["components"] if one["type"] == "model_deployer"]
    components += [
        {"type": kind, "name": "beside-cluster", "flavor": "local"} for kind in ("orchestrator", "artifact_store")
    ]
    (tmp_path / "clustered.yaml").write_text(yaml.safe_dump(stack | {"name": "clustered", "components": components}))
    secret = zenml.create_secret("serving", {"image": IMAGE})
    assert not register_stack("clustered", zenml, folder=tmp_path).missing_secrets
    monkeypatch.setenv("ZENML_ACTIVE_STACK_ID", str(zenml.get_stack("clustered").id))
    monkeypatch.setenv("CHURN_ROOT", str(tmp_path))
    found = active_deployer()
    assert isinstance(found, ClusterDeployer)
    yield found
    zenml.delete_secret(str(secret.id))


def test_the_same_call_as_locally_gives_a_deployment_on_the_cluster(deployer: ClusterDeployer) -> None:
    deployment = deployer.deployment(Place(namespace="team", deployment="churn"))

    assert isinstance(deployment, ClusterDeployment)
    assert (deployment.namespace, deployment.deployment) == ("team", "churn")
    assert deployment.settings.image == IMAGE
    assert deployment.settings.context == "churn-staging"
    assert deployment.settings.service_account == "churn-serving"
    assert deployment.settings.max_replicas > deployment.settings.replicas
    assert deployment.settings.landing


def test_its_servers_know_customers_where_the_store_is_one_that_they_reach(
    deployer: ClusterDeployer, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(namespace="team", deployment="churn")
    alone = deployer.deployment(place)
    assert isinstance(alone, ClusterDeployment)
    assert alone.settings.customers == ()

    monkeypatch.setattr("stacks.cluster_deployer.customers_url", lambda: "s3://store/serving/customers")

    told = deployer.deployment(place)
    assert isinstance(told, ClusterDeployment)
    assert told.settings.customers == (
        "--customers",
        "s3://store/serving/customers",
        "--customers-when-stale",
        "refuse",
    )


def test_a_bundle_goes_to_the_artifact_store_by_digest_and_comes_back_as_it_was(
    deployer: ClusterDeployer, bundle: Bundle
) -> None:
    server, again = (deployer.server("7", bundle) for _ in range(2))

    assert server == again
    assert server.bundle.endswith(f"/serving/bundles/{bundle.digest}")
    assert server.bundle.startswith(Client().active_stack.artifact_store.path)
    assert open_bundle(deployer.bundle(server), bundle.digest).digest == bundle.digest


@pytest.mark.usefixtures("deployer")
def test_zenml_lists_it() -> None:
    listed = click.testing.CliRunner().invoke(cli, ["model-deployer", "list"], env={"COLUMNS": "400"})

    assert listed.exit_code == 0, listed.output
    assert "staging-cluster" in listed.output
    assert "churn_cluster" in listed.output
