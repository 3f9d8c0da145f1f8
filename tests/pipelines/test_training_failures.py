import re
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

import pytest
from zenml.client import Client

from churn.errors import ChurnError, CommitConflict
from churn.ingestion.alert import Alert
from churn.lake.table import open_table
from steps import guard
from steps.all_or_nothing import HalfDone
from steps.guard import StepFailed
from tests.trained import MODEL_NAME, Trained, configure, inside, register_again, train
from tests.world import World, world_in

if TYPE_CHECKING:
    from mlflow import MlflowClient

pytestmark = pytest.mark.timeout(900)  # the one training counts to whichever test comes first
START = datetime(2025, 1, 1, 12, tzinfo=UTC)
Standing = tuple[set[int], set[str], set[tuple[str, int, str]]]


@pytest.fixture(autouse=True)
def here(trained: Trained) -> Iterator[None]:
    with inside(trained.root):
        yield


def tracker() -> "MlflowClient":
    from mlflow import MlflowClient

    component = Client().active_stack.experiment_tracker
    assert component is not None
    return MlflowClient(component.get_tracking_uri())  # type: ignore[attr-defined]


def standing(lake: str) -> Standing:
    """Every version in ZenML, every version in MLflow, and who pins what."""
    held: set[tuple[str, int, str]] = set()
    pins = open_table(f"{lake}/pins")
    for row in pins.scan().sort("sequence").collect().iter_rows(named=True) if pins else ():
        key = {(row["table"], row["version"], row["by"])}
        held = held | key if row["action"] == "pin" else held - key
    return (
        {version.number for version in Client().list_model_versions(model=MODEL_NAME, size=500)},
        {str(version.version) for version in tracker().search_model_versions(f"name='{MODEL_NAME}'")},
        held,
    )


def failing(patch: pytest.MonkeyPatch, within: str, name: str, call: int, error: Exception) -> None:
    """Make the call with this number, and only that one, fail."""
    place = resolve_name(within)
    original: Callable[..., Any] = getattr(place, name)
    calls = iter(range(1, 1000))

    def replacement(*arguments: object, **named: object) -> object:
        if next(calls) == call:
            raise error
        return original(*arguments, **named)

    patch.setattr(place, name, replacement)


@pytest.mark.parametrize(
    ("within", "name", "call", "error", "seen"),
    [
        pytest.param("mlflow", "register_model", 2, ConnectionError("gone"), StepFailed, id="MLflow away"),
        pytest.param("zenml.client:Client", "create_model_version", 3, RuntimeError("no"), StepFailed, id="no ZenML"),
        pytest.param("steps.register", "pin", 2, CommitConflict("pins: lost"), CommitConflict, id="no pin"),
        pytest.param("steps.register", "log_metadata", 3, OSError(), StepFailed, id="no metadata"),
        pytest.param("mlflow:MlflowClient", "set_model_version_tag", 3, OSError(), StepFailed, id="no tag"),
    ],
)
def test_a_candidate_that_cannot_be_registered_leaves_none(
    trained: Trained,
    monkeypatch: pytest.MonkeyPatch,
    within: str,
    name: str,
    call: int,
    error: Exception,
    seen: type[ChurnError],
) -> None:
    before = standing(trained.world.lake)
    failing(monkeypatch, within, name, call, error)

    with pytest.raises(seen):
        register_again(trained)

    assert standing(trained.world.lake) == before


def test_what_cannot_be_taken_back_is_named_and_the_rest_is(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    before = standing(trained.world.lake)
    failing(monkeypatch, "steps.register", "pin", 2, CommitConflict("pins: lost"))
    failing(monkeypatch, "mlflow:MlflowClient", "delete_model_version", 2, ConnectionError())

    with pytest.raises(HalfDone, match=rf"pins: lost; .* delete by hand: version \d+ of {MODEL_NAME} in MLflow$"):
        register_again(trained)

    after = standing(trained.world.lake)
    [left] = after[1] - before[1]
    assert (after[0], after[1] - {left}, after[2]) == before
    tracker().delete_model_version(MODEL_NAME, left)


def test_the_next_registration_succeeds(trained: Trained) -> None:
    before = standing(trained.world.lake)

    again = register_again(trained)

    after = standing(trained.world.lake)
    assert after[0] - before[0] == {int(model.version) for model in again.models}
    assert {holder for _, _, holder in after[2] - before[2]} == {
        f"{MODEL_NAME} {model.version}" for model in again.models
    }


@pytest.fixture
def alerts(monkeypatch: pytest.MonkeyPatch) -> list[Alert]:
    sent: list[Alert] = []

    def send(waiting: Iterable[Alert], *, source: str) -> int:
        sent.extend(waiting)
        return len(sent)

    monkeypatch.setattr(guard, "send_alerts", send)
    return sent


def loyal_customers(world: World, number: int) -> None:
    """Every ten days for more than a year, each of them buys."""
    for day in range(0, 430, 10):
        morning = START + timedelta(days=day)
        rows: list[dict[str, object]] = [
            {
                "customer_id": f"c{customer}",
                "event_time": (morning + timedelta(minutes=customer)).isoformat(),
                "event_type": "purchase",
                "amount": "5",
            }
            for customer in range(number)
        ]
        world.upload(rows, hour=morning)
    world.ingest(START + timedelta(days=431))


@pytest.mark.parametrize(
    ("number", "fault"),
    [
        pytest.param(0, "lake: no activity in this lake; ingest some first", id="empty lake"),
        pytest.param(5, r"0 of 5 customers churned, and both sides need at least 10", id="five customers of one class"),
    ],
)
def test_data_that_makes_no_model_ends_in_one_clear_error(
    trained: Trained, tmp_path: Path, alerts: list[Alert], number: int, fault: str
) -> None:
    before = standing(trained.world.lake)
    world = world_in(tmp_path)
    configure(tmp_path)
    if number:
        loyal_customers(world, number)

    with inside(tmp_path), pytest.raises(ChurnError, match=fault) as failure:
        train()

    assert not isinstance(failure.value, StepFailed)
    assert [alert.kind for alert in alerts] == ["training_failed"]
    assert re.search(fault, alerts[0].message)
    assert standing(trained.world.lake) == before
    assert open_table(f"{world.lake}/pins") is None


@pytest.mark.parametrize("what", ["data_snapshot", "00000000-0000-4000-8000-000000000000", "a bundle"])
def test_what_is_no_recorded_snapshot_is_refused(trained: Trained, what: str) -> None:
    artifact = trained.models.models[0].artifact if what == "a bundle" else what

    with pytest.raises(ChurnError, match=rf"^{artifact}: .*take the id of a data_snapshot artifact"):
        train(artifact)
