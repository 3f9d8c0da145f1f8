from pathlib import Path

import pytest
import yaml

from stacks.spec import StackError, load_stack

LOCAL = [
    {"type": "orchestrator", "name": "o", "flavor": "local"},
    {"type": "artifact_store", "name": "a", "flavor": "local"},
]


def write(folder: Path, **changes: object) -> Path:
    document = {"name": "mine", "labels": {"environment": "dev"}, "components": LOCAL} | changes
    (folder / "mine.yaml").write_text(yaml.safe_dump(document))
    return folder


@pytest.mark.parametrize("name", ["dev", "staging", "prod"])
def test_the_files_that_come_along_are_sound(name: str) -> None:
    assert load_stack(name).labels == {"environment": name}


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"colour": "red"}, "colour: Extra inputs are not permitted"),
        ({"labels": {}}, "labels.environment is missing"),
        ({"labels": {"environment": "moon"}}, "labels.environment"),
        ({"components": LOCAL[:1] + LOCAL[:1]}, "more than one component of type orchestrator"),
        (
            {"components": [LOCAL[0], {"type": "alerter", "name": "l", "flavor": "x"}]},
            "no component of type artifact_store",
        ),
        ({"components": [LOCAL[1], LOCAL[0] | {"flavour": "x"}]}, "components.1.flavour"),
        ({"name": "other"}, "the stack is called other"),
    ],
)
def test_a_wrong_file_is_refused_with_file_and_key(tmp_path: Path, changes: dict[str, object], complaint: str) -> None:
    folder = write(tmp_path, **changes)

    with pytest.raises(StackError) as refusal:
        load_stack("mine", folder)

    assert str(folder / "mine.yaml") in str(refusal.value)
    assert complaint in str(refusal.value)


def test_an_unknown_stack_is_answered_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="known stacks: mine"):
        load_stack("../mine", write(tmp_path))


def test_references_to_secrets_are_found() -> None:
    alerter = next(item for item in load_stack("staging").components if item.type == "alerter")

    assert alerter.references == (("slack", "token"), ("slack", "channel_staging"))
