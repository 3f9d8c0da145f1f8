"""The deployment pipeline and its commands on a trained project: real servers, ledger, ZenML and MLflow."""

import http.client
import json
import time
from collections.abc import Callable, Iterator
from typing import Any, cast
from urllib.parse import urlsplit

import click.testing
import pytest
from typer.testing import CliRunner, Result
from zenml.client import Client

from churn.features.catalogue import load_catalogue
from churn.features.feature_set import FeatureSet
from churn.ledger.changes import change_stage
from churn.ledger.entry import Draft
from churn.online.publish import publish_customers
from churn.promotion.request import NOTHING
from cli.main import app
from seldon.gateway.envoy import EnvoyMissing, executable
from seldon.gateway.local import LocalDeployment
from seldon.rollout.drive import Rollout
from stacks.deployer import active_deployment
from stacks.environment import customers_folder, dbt_project
from steps.overview import overview
from steps.registry import active_ledger, active_registry
from steps.telemetry import targets
from tests.promoted import agreed, decisions, fresh_ledger, stands
from tests.trained import Trained, configure, inside, output, register_again

pytestmark = [
    pytest.mark.timeout(900),  # the one training counts to whichever test comes first
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]
OWN = "churn-deployed"
"""A model of its own, so that every version there is belongs to this suite's ledger."""
SETTINGS: dict[str, object] = {"name": "pipelines", "strategy": "blue_green", "smoke_seconds": 10.0}


class Killed(BaseException):
    """The process ended here."""


@pytest.fixture(scope="module")
def versions(trained: Trained) -> Iterator[list[str]]:
    """Versions of which none is deployed yet."""
    try:
        executable()
    except EnvoyMissing as error:
        pytest.skip(str(error))
    with inside(trained.root), fresh_ledger(trained):
        configure(trained.root, OWN, deployment=SETTINGS)
        try:
            yield [model.version for model in register_again(trained).models]
        finally:
            active_deployment()[1].stop()
            configure(trained.root)


@pytest.fixture(scope="module")
def first(versions: list[str]) -> str:
    """The first version, deployed."""
    approve(versions[0])
    succeeds("deploy", versions[0])
    return versions[0]


@pytest.fixture(scope="module")
def second(first: str, versions: list[str]) -> str:
    """The second one, which has replaced it."""
    approve(versions[1])
    succeeds("deploy", versions[1])
    return versions[1]


def churn(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def succeeds(*arguments: str) -> str:
    result = churn(*arguments)
    assert result.exit_code == 0, result.output
    return result.output


def approve(version: str) -> None:
    """Enter that a version was promoted to staging and approved for production."""
    ledger = active_ledger()
    digest = stands().digests[version]
    if stands().stages[version] != "staging":
        promoted = Draft(
            decision="promoted", phase="intent", actor="ada", version=version, stage="staging", bundle_digest=digest
        )
        change_stage(ledger, active_registry(), promoted, lambda entries, now: None)
    approved = Draft(
        decision="approved",
        actor="ada",
        version=version,
        stage="production",
        bundle_digest=digest,
        facts={"replaces": stands().holder("production") or NOTHING},
    )
    ledger.record(lambda entries: [approved])


def answering() -> str:
    """Return the version that answers a request to the deployment."""
    url = urlsplit(active_deployment()[1].gateway_url())
    connection = http.client.HTTPConnection(url.netloc, timeout=10)
    connection.request("GET", f"{url.path}/metadata")
    response = connection.getresponse()
    body = response.read()
    connection.close()
    assert response.status == 200, body
    version = response.getheader("x-churn-version")
    assert version is not None
    return version


def by_token(token: str) -> tuple[int, Any]:
    """Ask the deployment for a customer."""
    url = urlsplit(active_deployment()[1].gateway_url())
    connection = http.client.HTTPConnection(url.netloc, timeout=10)
    body = json.dumps({"jsonData": {"customers": [token]}})
    headers = {"content-type": "application/json", "x-customer-id": token}
    connection.request("POST", f"{url.path}/api/v1.0/predictions", body, headers)
    response = connection.getresponse()
    answer = response.status, json.load(response)
    connection.close()
    return answer


def in_production(version: str, before: str | None = None) -> None:
    """Ledger, ZenML, MLflow, the gateway and ZenML's list of services name the same version."""
    stages = stands().stages
    assert stages[version] == "production"
    assert before is None or stages[before] == "archived"
    assert agreed()
    assert Client().get_model_version(OWN, "production").number == int(version)
    assert answering() == version
    services = [one for one in Client().list_services(hydrate=True).items if one.config["deployment"] == "pipelines"]
    assert [one.model_version.number for one in services if one.model_version] == [int(version)]
    assert services[0].prediction_url == f"{active_deployment()[1].gateway_url()}/api/v1.0/predictions"


def test_a_first_version_goes_to_production_after_its_smoke_test(first: str) -> None:
    in_production(first)

    deployed = next(entry for entry in active_ledger().entries() if entry.decision == "deployed")
    assert deployed.facts["replaces"] == "nothing"
    assert "no other to compare" in deployed.facts["reason"]
    assert deployed.facts["deployment"] == "churn/pipelines"


def test_the_next_one_replaces_it(first: str, second: str) -> None:
    in_production(second, before=first)

    from zenml.cli.cli import cli

    listed = click.testing.CliRunner().invoke(cli, ["model-deployer", "models", "list"], env={"COLUMNS": "400"})
    assert listed.exit_code == 0, listed.output
    assert OWN in listed.output


@pytest.mark.parametrize("words", [["deploy", "999"], ["deploy", "x; drop"]])
def test_what_does_not_exist_is_refused(first: str, words: list[str]) -> None:
    result = churn(*words)

    assert result.exit_code == 1
    assert "has none in ZenML; churn versions lists them" in result.output.replace("\n", " ")


def test_what_nobody_approved_is_refused_and_changes_nothing(second: str, versions: list[str]) -> None:
    before = len(active_ledger().entries())

    unapproved, again = churn("deploy", versions[2]), churn("deploy", second)

    assert (unapproved.exit_code, again.exit_code) == (1, 1)
    assert "not approved for production" in unapproved.output.replace("\n", " ")
    assert "in production already" in again.output.replace("\n", " ")
    assert decisions(before) == []
    in_production(second)


def test_serving_is_shown_stopped_and_started_again(second: str) -> None:
    shown = succeeds("serve", "status")
    document = json.loads(succeeds("serve", "status", "--json"))
    succeeds("serve", "stop")
    stopped, known = churn("serve", "status"), churn("status")
    succeeds("serve", "start")
    running = succeeds("status")

    assert f"  stable: version {second}, 100 %, ready, 0 restarts" in running
    assert "deployment churn/pipelines: nothing runs" in known.output
    assert f"stable: version {second}, 100 %, ready" in shown
    assert document["observed"]["stable"]["version"] == second
    assert stopped.exit_code == 1
    assert "nothing runs" in stopped.output
    assert known.exit_code == 0, known.output
    in_production(second)


def test_customers_are_answered_by_token_once_they_are_published(second: str, trained: Trained) -> None:
    features = cast(FeatureSet, output(trained.run, "build_features", "feature_set"))
    catalogue = [one for one in load_catalogue(dbt_project()) if one.name in features.recipe.columns]
    token = features.frame([features.cutoffs.latest])["customer_id"][0]

    publish_customers(features, catalogue, customers_folder())

    deadline = time.monotonic() + 10
    while (answer := by_token(token))[0] != 200 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert answer[0] == 200, answer
    assert answer[1]["meta"]["tags"]["version"] == second
    assert answer[1]["meta"]["tags"]["snapshot"]["version"] == features.features.version


def test_prometheus_is_told_the_weights_and_finds_the_servers(second: str) -> None:
    page = succeeds("metrics")
    found = json.loads(targets(overview().deployment))

    [server] = [target for group in found for target in group["targets"]]
    connection = http.client.HTTPConnection(server, timeout=10)
    connection.request("GET", "/metrics")
    served = connection.getresponse().read().decode()
    connection.close()
    labels = f'{{deployment="churn/pipelines",track="stable",version="{second}"}}'
    assert f"churn_deployment_weight_ratio{labels} 1.0" in page
    assert f"churn_deployment_ready{labels} 1.0" in page
    assert f'track="stable",version="{second}"}} 1.0' in served


def test_while_a_rollout_runs_nothing_else_changes_the_deployment(second: str) -> None:
    with active_deployment()[1].claimed():
        refused = [churn(*words) for words in (["serve", "stop"], ["serve", "start"], ["rollback", "--to", "1"])]
        canary = churn("rollback")

    for result in refused:
        assert result.exit_code == 1
        assert "another rollout moves its weights now" in result.output.replace("\n", " ")
    assert "has no canary yet" in canary.output
    in_production(second)


def test_a_rollback_serves_the_version_before_and_there_is_no_way_on_from_there(first: str, second: str) -> None:
    said = succeeds("rollback")

    assert f"version {first} is in production again, instead of version {second}" in said
    in_production(first, before=second)
    assert [move[:4] for move in decisions(-2)] == [
        ("rolled_back", "intent", first, "production"),
        ("rolled_back", "committed", first, "production"),
    ]
    again = churn("rollback")
    assert again.exit_code == 1
    assert "no earlier healthy version" in again.output.replace("\n", " ")
    succeeds("rollback", "--to", second)
    in_production(second, before=first)


def test_a_rollback_to_what_was_never_live_is_refused(second: str, versions: list[str]) -> None:
    result = churn("rollback", "--to", versions[2])

    assert result.exit_code == 1
    assert "was not in production before" in result.output.replace("\n", " ")
    in_production(second)


def test_a_plan_that_the_ledger_has_outlived_is_not_carried_out(
    second: str, versions: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    version = versions[2]
    approve(version)
    claimed = LocalDeployment.claimed

    def late(deployment: LocalDeployment) -> object:
        """Somebody rejects the version between plan and rollout."""
        taken_back = Draft(decision="rolled_back", actor="ada", version=version)
        active_ledger().record(lambda entries: [taken_back])
        return claimed(deployment)

    monkeypatch.setattr(LocalDeployment, "claimed", late)
    result = churn("deploy", version)

    assert result.exit_code == 1
    assert "no approval is left" in result.output.replace("\n", " ")
    in_production(second)


def test_a_rollout_killed_after_its_entry_is_named_and_finished_by_repair(
    second: str, versions: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def finish(_: Rollout, set_production: Callable[[], None]) -> None:
        set_production()
        raise Killed

    third = versions[2]
    approve(third)
    monkeypatch.setattr(Rollout, "finish", finish)
    with pytest.raises(Killed):
        CliRunner().invoke(app, ["deploy", third], catch_exceptions=False)
    assert stands().holder("production") == third

    named = churn("status")
    mended = succeeds("repair")

    assert named.exit_code == 1
    assert f"deployment churn/pipelines: serves version {second}, where version {third} is in" in named.output
    assert f"deployment churn/pipelines: still has version {third} as its canary" in named.output
    assert "mended: deployment churn/pipelines" in mended
    in_production(third, before=second)
    succeeds("status")
    assert "the deployment agree" in succeeds("repair")


def test_a_rollout_that_is_stopped_is_entered_and_uses_up_its_approval(
    second: str, trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    stood, version = stands().holder("production"), register_again(trained).models[0].version
    assert stood is not None
    approve(version)

    def stopped(*_: object) -> float:
        raise KeyboardInterrupt

    monkeypatch.setattr("seldon.rollout.drive.smoke_test", stopped)
    churn("deploy", version)
    again = churn("deploy", version)

    in_production(stood)
    entry = active_ledger().entries()[-1]
    assert (entry.decision, entry.phase, entry.version, entry.stage) == ("rolled_back", "committed", version, None)
    assert entry.facts["ending"] == "cut_short"
    assert "KeyboardInterrupt" in entry.facts["reason"]
    assert stands().stages[version] == "staging"
    assert "no approval is left" in again.output.replace("\n", " ")


@pytest.mark.parametrize("command", ["deploy", "rollback", pytest.param("repair", marks=pytest.mark.slow)])
def test_what_a_killed_rollout_left_goes_and_is_entered_by_the_next_command(
    second: str, trained: Trained, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    stood, version = stands().holder("production"), register_again(trained).models[0].version
    assert stood is not None
    approve(version)

    def killed(*_: object) -> float:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr("seldon.rollout.drive.smoke_test", killed)
        patched.setattr(Rollout, "withdraw", lambda *_: None)
        patched.setattr("steps.roll_out.enter_end", lambda *_: None)
        with pytest.raises(Killed):
            CliRunner().invoke(app, ["deploy", version], catch_exceptions=False)
    before = len(active_ledger().entries())
    desired = active_deployment()[1].desired()
    assert desired is not None
    assert desired.canary is not None

    result = churn(command, *([version] if command == "deploy" else []))
    again = churn("status")

    assert result.exit_code == (1 if command == "deploy" else 0), result.output
    assert again.exit_code == 0, again.output
    in_production(stood)
    entered = active_ledger().entries()[before:]
    assert [(one.decision, one.version, one.facts["ending"]) for one in entered] == [
        ("rolled_back", version, "cut_short")
    ]
    assert entered[0].facts["run"] == desired.rollout


def test_production_that_is_entered_when_something_fails_goes_forward(
    second: str, trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = register_again(trained).models[0].version
    approve(version)

    def fails(*_: object) -> None:
        raise ConnectionError("away")

    with monkeypatch.context() as patched:
        patched.setattr(type(active_registry()), "note", fails)
        result = churn("deploy", version)

    assert result.exit_code == 1
    assert answering() == version
    assert stands().holder("production") == version
    assert active_ledger().entries()[-1].decision == "deployed"
    succeeds("repair")
    in_production(version)


def test_a_version_that_is_merely_slow_may_be_approved_again(second: str, trained: Trained) -> None:
    stood, version = stands().holder("production"), register_again(trained).models[0].version
    assert stood is not None
    approve(version)
    configure(trained.root, OWN, deployment=SETTINGS | {"smoke_seconds": 1e-6})
    try:
        result = churn("deploy", version)
    finally:
        configure(trained.root, OWN, deployment=SETTINGS)

    assert result.exit_code == 1
    assert f"version {version} was taken back (failed)" in result.output
    in_production(stood)
    assert stands().stages[version] == "staging"


def test_a_version_that_is_no_good_is_taken_back_and_entered(
    second: str, trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    stood = stands().holder("production")
    assert stood is not None
    version = register_again(trained).models[0].version
    approve(version)
    monkeypatch.setattr("seldon.rollout.smoke.GOLDEN_TOLERANCE", -1.0)  # no score is near enough
    result = churn("deploy", version)

    assert result.exit_code == 1
    assert f"version {version} was taken back (rolled_back)" in result.output
    in_production(stood)
    entry = active_ledger().entries()[-1]
    assert (entry.decision, entry.version, entry.stage) == ("rolled_back", version, "archived")
    assert entry.facts["canary requests"] == "0"
