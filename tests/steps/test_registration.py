"""What a registration leaves behind that was killed on its way, and that the next one takes back."""

import os
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from zenml.client import Client

from benchmarks import frames
from churn.lake.create import create_table
from churn.lake.pins import pin, pinned_versions
from churn.lake.snapshot import take_snapshot
from churn.ledger.entry import Draft
from churn.ledger.errors import DecisionRefused
from churn.ledger.standing import standing
from churn.training.trained import RegisteredModel
from stacks.environment import active_settings
from steps.registration import discard_abandoned, pin_holder, registering
from steps.registry import RUN_TAG, active_ledger, active_registry, run_tag
from tests.trained import MODEL_NAME, configure, inside

NOBODY = 2**22 + 1
"""No process has this id: Linux gives none above 4,194,304."""


@pytest.fixture(autouse=True)
def here(tmp_path: Path) -> Iterator[None]:
    configure(tmp_path)
    with inside(tmp_path):
        yield


def begun(run: str, process: str) -> str:
    """Leave what a registration has made until it dies: a version in ZenML and in MLflow, a pin, an intent."""
    client, registry, lake = Client(), active_registry(), active_settings().lake.url
    facts = {"run": run, "process": process}
    draft = Draft(decision="registered", phase="intent", actor="training", facts=facts)
    active_ledger().record(lambda entries: [draft])
    if MODEL_NAME not in {model.name for model in client.list_models().items}:
        client.create_model(MODEL_NAME)
    if not registry._mlflow.search_registered_models(f"name='{MODEL_NAME}'"):
        registry._mlflow.create_registered_model(MODEL_NAME)
    registry._mlflow.create_model_version(MODEL_NAME, source="file:///nowhere", tags={RUN_TAG: run})
    version = str(client.create_model_version(MODEL_NAME, tags=[run_tag(run)]).number)
    create_table(f"{lake}/activity", pl.Schema({"customer_id": pl.String()}), name="activity")
    pin(lake, take_snapshot(lake), pin_holder(MODEL_NAME, version), datetime.now(UTC))
    return version


def left(run: str) -> tuple[int, int, list[int]]:
    """Versions of a run in ZenML and MLflow, and versions of `activity` that anybody pins."""
    registry = active_registry()
    found = Client().list_model_versions(model=MODEL_NAME, size=500, hydrate=True).items
    return (
        sum(run_tag(run) in {tag.name for tag in version.tags} for version in found),
        len(registry._mlflow.search_model_versions(f"name='{MODEL_NAME}' and tags.`{RUN_TAG}`='{run}'")),
        pinned_versions(active_settings().lake.url, "activity"),
    )


def discard() -> int:
    return len(discard_abandoned(active_ledger(), active_registry(), active_settings().lake.url))


def test_what_a_dead_process_left_is_taken_back_once() -> None:
    begun("killed", f"{NOBODY} on {socket.gethostname()}")
    assert left("killed") == (1, 1, [0])

    assert discard() == 1

    assert left("killed") == (0, 0, [])
    assert [entry.phase for entry in active_ledger().entries()] == ["intent", "undone"]
    assert discard() == 0


@pytest.mark.parametrize(
    "process",
    [
        pytest.param(f"{os.getpid()} on {socket.gethostname()}", id="alive"),
        pytest.param("1 on another-machine", id="elsewhere"),
    ],
)
def test_a_registration_that_may_be_at_work_is_left_alone(process: str) -> None:
    run = f"working {process}"
    begun(run, process)

    assert discard() == 0

    assert left(run)[:2] == (1, 1)


def test_a_registration_that_fails_is_entered_as_undone() -> None:
    with pytest.raises(RuntimeError), registering(active_ledger(), "failing"):
        raise RuntimeError("no")

    entries = active_ledger().entries()
    assert [entry.phase for entry in entries] == ["intent", "undone"]
    assert standing(entries).unfinished == ()


def test_a_number_is_never_given_twice() -> None:
    draft = Draft(decision="registered", actor="training", version="7", bundle_digest="d" * 64)
    active_ledger().record(lambda entries: [draft])
    model = RegisteredModel(candidate="lr", digest="e" * 64, version="7", mlflow_version="9")

    with (
        pytest.raises(DecisionRefused, match="has one of this number"),
        registering(active_ledger(), "again") as commit,
    ):
        commit([model], frames.lineage(frames.split_frames(train_rows=50, later_rows=20)))
