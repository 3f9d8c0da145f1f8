import socket
from pathlib import Path

import pytest
import yaml
from zenml.client import Client
from zenml.enums import StackComponentType

from stacks.environment import active_environment
from stacks.register import register_stack
from stacks.spec import StackError


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("registering a stack opened a connection")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def variant(folder: Path, *, webhook: str | None = None, alerter: bool = True, flavor: str = "churn_log") -> Path:
    components: list[dict[str, object]] = [
        {"type": "orchestrator", "name": "variant", "flavor": "local"},
        {"type": "artifact_store", "name": "variant", "flavor": "local"},
    ]
    if alerter:
        configuration = {"webhook_url": webhook} if webhook else {}
        components.append({"type": "alerter", "name": "variant", "flavor": flavor, "configuration": configuration})
    document = {"name": "variant", "labels": {"environment": "dev"}, "components": components}
    (folder / "variant.yaml").write_text(yaml.safe_dump(document))
    return folder


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("name", ["dev", "staging", "prod"])
def test_registering_twice_changes_nothing_the_second_time(
    zenml: Client, project_root: Path, tmp_path: Path, name: str
) -> None:
    stack = (project_root / "stacks" / f"{name}.yaml").read_text()
    (tmp_path / f"new-{name}.yaml").write_text(stack.replace(f"name: {name}", f"name: new-{name}"))

    first, second = (register_stack(f"new-{name}", zenml, folder=tmp_path) for _ in range(2))

    assert first.changed
    assert not second.changed
    assert zenml.get_stack(f"new-{name}").labels == {"environment": name}


def test_missing_secrets_are_named_and_only_an_optional_component_waits_for_them(zenml: Client) -> None:
    staging, prod = register_stack("staging", zenml), register_stack("prod", zenml)

    assert staging.missing_secrets == ("slack.token", "slack.channel_staging", "mlflow.token", "serving.image")
    assert staging.components["alerter staging-slack"] == "left out"
    assert prod.missing_secrets == ("slack.token", "slack.channel_prod", "mlflow.token", "serving.image")
    assert zenml.get_stack("prod").components[StackComponentType.ALERTER][0].flavor_name == "churn_slack"


def test_an_optional_component_joins_once_its_secret_exists(zenml: Client) -> None:
    register_stack("staging", zenml)
    secret = zenml.create_secret("slack", {"token": "xoxb-1", "channel_staging": "C1"})
    try:
        change = register_stack("staging", zenml)
    finally:
        zenml.delete_secret(str(secret.id))

    assert (change.itself, change.missing_secrets) == ("updated", ("mlflow.token", "serving.image"))
    assert change.components["alerter staging-slack"] == "created"
    assert register_stack("staging", zenml).itself == "updated"


def test_a_changed_configuration_is_updated_in_place(zenml: Client, tmp_path: Path) -> None:
    register_stack("variant", zenml, folder=variant(tmp_path))
    before = zenml.get_stack_component(StackComponentType.ALERTER, "variant")

    added = register_stack("variant", zenml, folder=variant(tmp_path, webhook="{{alerts.webhook_url}}"))
    after = zenml.get_stack_component(StackComponentType.ALERTER, "variant")
    removed = register_stack("variant", zenml, folder=variant(tmp_path))

    assert before.id == after.id
    assert after.configuration == {"webhook_url": "{{alerts.webhook_url}}"}
    assert (added.components["alerter variant"], added.itself) == ("updated", "unchanged")
    assert removed.components["alerter variant"] == "updated"
    assert zenml.get_stack_component(StackComponentType.ALERTER, "variant").configuration == {}


def test_a_component_that_left_the_file_leaves_the_stack(zenml: Client, tmp_path: Path) -> None:
    register_stack("variant", zenml, folder=variant(tmp_path))

    change = register_stack("variant", zenml, folder=variant(tmp_path, alerter=False))

    assert change.itself == "updated"
    assert not zenml.get_stack("variant").components.get(StackComponentType.ALERTER)
    assert not register_stack("variant", zenml, folder=tmp_path).changed


def test_a_component_of_another_flavor_is_not_touched(zenml: Client, tmp_path: Path) -> None:
    register_stack("variant", zenml, folder=variant(tmp_path))

    with pytest.raises(StackError, match="zenml alerter delete variant"):
        register_stack("variant", zenml, folder=variant(tmp_path, flavor="slack"))


def test_the_label_of_the_active_stack_picks_the_environment(zenml: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    register_stack("staging", zenml)
    monkeypatch.setenv("ZENML_ACTIVE_STACK_ID", str(zenml.get_stack("staging").id))

    assert active_environment() == "staging"


def test_a_stack_without_the_label_is_refused_with_a_way_out(zenml: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZENML_ACTIVE_STACK_ID", str(zenml.get_stack("default").id))

    with pytest.raises(StackError, match="churn stack register dev"):
        active_environment()
