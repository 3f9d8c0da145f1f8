import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result
from zenml.client import Client

from churn.bundle.bundle import Bundle, open_bundle
from churn.bundle.checked import MANIFEST
from cli.main import app
from tests.trained import MODEL_NAME, Trained, inside, register_again

pytestmark = pytest.mark.timeout(900)  # the one training counts to whichever test comes first
Reproduce = Callable[..., Result]
PARTS = ["features", "model.onnx", "predictions"]


@pytest.fixture(autouse=True)
def here(trained: Trained) -> Iterator[None]:
    with inside(trained.root):
        yield


@pytest.fixture
def reproduce() -> Reproduce:
    return lambda *arguments: CliRunner().invoke(app, ["reproduce", *arguments])


@pytest.fixture(scope="module")
def tampered(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A version whose record claims other predictions than its model makes."""
    with inside(trained.root):
        model = trained.models.models[0]
        bundle = Client().get_artifact_version(model.artifact).load()
        assert isinstance(bundle, Bundle)
        folder = tmp_path_factory.mktemp("bundle")
        for file in bundle.path.iterdir():
            (folder / file.name).write_bytes(file.read_bytes())
        claimed = bundle.manifest.model_copy(update={"predictions_digest": "0" * 64})
        claimed = claimed.model_copy(update={"digest": claimed.computed_digest()})
        (folder / MANIFEST).write_text(claimed.model_dump_json())
        return register_again(trained, [(model, open_bundle(folder))]).models[0].version


def test_a_run_is_made_again_to_the_bit(trained: Trained, reproduce: Reproduce) -> None:
    result = reproduce(trained.run.name, "--json")

    assert result.exit_code == 0, result.output
    made = json.loads(result.stdout)
    assert [item["candidate"] for item in made] == [model.candidate for model in trained.models.models]
    for item in made:
        assert [part["part"] for part in item["parts"]] == PARTS
        assert all(part["recorded"] == part["rebuilt"] for part in item["parts"])
        assert len({part["rebuilt"] for part in item["parts"]}) == 3
    assert list((trained.root / ".churn" / "work").iterdir()) == []


def test_a_version_that_does_not_come_out_the_same_says_where_and_ends_with_1(
    tampered: str, reproduce: Reproduce
) -> None:
    result = reproduce(tampered)

    assert result.exit_code == 1, result.output
    verdicts = [line.split()[-2] for line in result.stdout.splitlines() if "logistic_regression" in line]
    assert verdicts == ["equal", "equal", "DIFFERENT"]
    logged = [line for line in result.stderr.splitlines() if line.strip()]
    assert {"features_built", "candidate_trained"} <= {json.loads(line)["event"] for line in logged}


def test_another_commit_is_refused(trained: Trained, reproduce: Reproduce, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHURN_GIT_COMMIT", "beef" * 10)

    result = reproduce(trained.registered.models[0].version)

    assert (result.exit_code, result.stdout) == (1, "")
    assert "trained with commit c0ffeec0ffee and here is beefbeefbeef" in result.stderr


def test_a_dirty_tree_is_refused(trained: Trained, reproduce: Reproduce, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHURN_GIT_COMMIT", f"{'c0ffee' * 6}cafe-dirty")

    result = reproduce(trained.registered.models[0].version)

    assert result.exit_code == 1
    assert "here is c0ffeec0ffee with changes" in result.stderr


def test_other_packages_are_refused(trained: Trained, reproduce: Reproduce, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("steps.code_version.lock_digest", lambda root: "other")

    result = reproduce(trained.registered.models[0].version)

    assert result.exit_code == 1
    assert "the locked requirements are not those" in result.stderr
    assert "--allow-different" in result.stderr


@pytest.mark.parametrize("what", ["9999", "99999999999999999999999", "nothing", "2026"])
def test_what_nobody_made_is_named(reproduce: Reproduce, what: str) -> None:
    result = reproduce(what)

    assert result.exit_code == 1
    assert result.stderr.startswith(f"{what}: neither a version of the model {MODEL_NAME} nor a training run")


def test_the_beginning_of_a_runs_id_is_no_name(trained: Trained, reproduce: Reproduce) -> None:
    result = reproduce(str(trained.run.id)[:8])

    assert result.exit_code == 1
    assert "neither a version" in result.stderr


def test_data_that_is_gone_is_named(trained: Trained, reproduce: Reproduce, tmp_path: Path) -> None:
    file = next(Path(trained.world.lake, "activity").rglob("*.parquet"))
    file.rename(tmp_path / file.name)

    result = reproduce(trained.registered.models[0].version)

    (tmp_path / file.name).rename(file)
    assert (result.exit_code, result.stdout) == (1, "")
    assert f"{trained.world.lake}/activity at version" in result.stderr
    assert "files are missing" in result.stderr
