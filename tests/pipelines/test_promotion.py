"""The promotion pipeline on a trained project: gate, person, ledger, ZenML and MLflow."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from zenml.client import Client
from zenml.enums import RunWaitConditionResolution
from zenml.models import PipelineRunResponse

from churn.ledger.agreement import disagreements
from churn.ledger.errors import DecisionRefused
from churn.ledger.standing import Standing, standing
from pipelines.promotion import promote_model
from steps.registry import active_ledger, active_registry
from tests.trained import Trained, configure, inside, register_again

pytestmark = pytest.mark.timeout(900)  # the one training counts to whichever test comes first


@pytest.fixture(autouse=True)
def here(trained: Trained) -> Iterator[None]:
    with inside(trained.root):
        configure(trained.root, promotion={"rounds": 100, "max_data_age_days": None, "ask_before": [], "min_over_recency": -1, "min_roc_auc": 0.5})
        yield
        configure(trained.root)


def stands() -> Standing:
    return standing(active_ledger().entries())


def run(version: str, to_stage: str = "staging", *, ask: bool = False) -> PipelineRunResponse:
    found = promote_model(version=version, to_stage=to_stage, ask=ask)
    assert found is not None
    return Client().get_pipeline_run(found.id)


def test_a_first_model_goes_to_staging(trained: Trained) -> None:
    version = register_again(trained).models[0].version

    done = run(version)

    assert done.status == "completed"
    assert stands().holder("staging") == version
    assert disagreements(stands(), active_registry().observe(active_ledger())) == ()


def answer(result: bool) -> Callable[[], None]:
    """Return what answers the first question that is asked, as the dashboard's button does."""

    def look() -> None:
        client = Client()
        for _ in range(600):
            waiting = client.list_run_wait_conditions(status="pending").items
            if waiting:
                client.resolve_run_wait_condition(
                    waiting[0].id, resolution=RunWaitConditionResolution.CONTINUE, result=result
                )
                return
            time.sleep(0.1)

    return look


@contextmanager
def answering(look: Callable[[], None]) -> Iterator[None]:
    thread = threading.Thread(target=look)
    thread.start()
    yield
    thread.join()


def decisions(since: int) -> list[tuple[str, str, str | None, str | None, str]]:
    return [
        (entry.decision, entry.phase, entry.version, entry.stage, entry.actor)
        for entry in active_ledger().entries()[since:]
    ]


def test_a_person_approves(trained: Trained) -> None:
    version = stands().holder("staging")
    assert version is not None
    since = len(active_ledger().entries())

    with answering(answer(True)):
        done = run(version, "production", ask=True)

    assert done.status == "completed"
    assert decisions(since) == [
        ("approved", "committed", version, "production", "default"),
        ("promoted", "intent", version, "production", "default"),
        ("promoted", "committed", version, "production", "default"),
    ]
    assert stands().holder("production") == version
    assert stands().holder("staging") is None
    assert disagreements(stands(), active_registry().observe(active_ledger())) == ()


def test_a_step_that_is_none_is_refused(trained: Trained) -> None:
    version = stands().holder("production")
    assert version is not None
    with pytest.raises(DecisionRefused, match="in production already"):
        run(version, "production")
    with pytest.raises(DecisionRefused, match="stages only go forward"):
        run(version, "staging")
    with pytest.raises(DecisionRefused, match="the ledger knows no such version"):
        run("999")
    with pytest.raises(DecisionRefused, match="no stage to promote to"):
        run(version, "heaven")


def test_a_cutoff_decides_once(trained: Trained) -> None:
    other = register_again(trained).models[1].version

    with pytest.raises(DecisionRefused, match="has decided before|earned|cutoff"):
        run(other)

    assert stands().stages[other] == "none"
