import warnings
from collections.abc import Iterator
from contextlib import suppress

import pytest
from zenml import pipeline, step
from zenml.client import Client
from zenml.exceptions import EntityExistsError

from tests.cli.conftest import Churn
from tests.trained import MODEL_NAME


@step(enable_cache=False)
def train() -> None:
    raise RuntimeError("no model")


@pipeline(enable_cache=False)
def failing_training() -> None:
    train()


@pytest.fixture(scope="module")
def failed_run(churn: Churn) -> Iterator[str]:
    assert churn("stack", "register", "dev").exit_code == 0
    with pytest.MonkeyPatch.context() as patch:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what ZenML imports announces removals in Python 3.13
            patch.setenv("ZENML_ACTIVE_STACK_ID", str(Client().get_stack("dev").id))
            with suppress(RuntimeError):
                failing_training()
            name = str(Client().list_pipeline_runs(pipeline="failing_training").items[0].name)
        yield name


def test_a_run_that_failed_has_nothing_to_make_again(churn: Churn, failed_run: str) -> None:
    result = churn("reproduce", failed_run)

    assert result.exit_code == 1
    assert result.output.strip() == f"{failed_run}: this run trained no models"


def test_a_version_without_a_bundle_is_refused(churn: Churn, failed_run: str) -> None:
    client = Client()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with suppress(EntityExistsError):  # of another suite in this session
            client.create_model(MODEL_NAME)
        version = client.create_model_version(MODEL_NAME)
    result = churn("reproduce", str(version.number))
    client.delete_model_version(version.id)

    assert result.exit_code == 1
    assert "names no bundle" in result.output
    assert len(result.output.strip().splitlines()) == 1


def test_nonsense_is_refused_in_one_line(churn: Churn, failed_run: str) -> None:
    result = churn("reproduce", "99999999999999999999")

    assert result.exit_code == 1
    assert "neither a version of the model churn-dev nor a training run" in result.output
