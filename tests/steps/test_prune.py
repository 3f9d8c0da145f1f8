from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast
from uuid import uuid4

import mlflow
import pytest
from zenml.client import Client
from zenml.enums import StackComponentType
from zenml.integrations.mlflow.experiment_trackers import MLFlowExperimentTracker
from zenml.integrations.mlflow.flavors import MLFlowExperimentTrackerConfig
from zenml.stack import Stack

from churn.monitoring.examination import Examination, Examined
from steps.examine_model import EXPERIMENT, keep_pages
from steps.prune import prune_runs

if TYPE_CHECKING:
    from churn.monitoring.measurement import Measurement

NOW = datetime(2026, 3, 1, tzinfo=UTC)
ENVIRONMENTS = ("staging", "prod")


@contextmanager
def mlflow_server() -> Iterator[tuple[str, list[str | None]]]:
    """Serve an MLflow that knows no experiment; yield its URL and the credentials that it is shown."""
    shown: list[str | None] = []

    class Server(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            shown.append(self.headers["Authorization"])
            self.send_response(404)
            self.end_headers()
            self.wfile.write(b'{"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no such experiment"}')

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Server)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", shown
    server.shutdown()
    server.server_close()


def tracker(url: str, **configuration: str) -> MLFlowExperimentTracker:
    return MLFlowExperimentTracker(
        name="shared",
        id=uuid4(),
        config=MLFlowExperimentTrackerConfig(tracking_uri=url, **configuration),
        flavor="mlflow",
        type=StackComponentType.EXPERIMENT_TRACKER,
        user=None,
        created=NOW,
        updated=NOW,
    )


@pytest.fixture
def mlflow_as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Put back what a tracker changes in this process."""
    before = mlflow.get_tracking_uri()
    for name, value in {"URI": before, "TOKEN": "", "INSECURE_TLS": "false"}.items():
        monkeypatch.setenv(f"MLFLOW_TRACKING_{name}", value)
    yield
    mlflow.set_tracking_uri(before)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of what ZenML imports to list runs
@pytest.mark.usefixtures("mlflow_as_before")
def test_pages_are_removed_with_the_credentials_of_the_tracker(monkeypatch: pytest.MonkeyPatch) -> None:
    with mlflow_server() as (url, shown):
        monkeypatch.setattr(Stack, "experiment_tracker", tracker(url, tracking_token="secret"))

        monkeypatch.setattr("steps.prune._remove", lambda run: None)
        monkeypatch.setattr("steps.prune._old_runs", lambda before: iter([]))
        prune_runs(timedelta(days=30), NOW)
        assert shown == []  # nothing went, so MLflow is left alone
        monkeypatch.setattr("steps.prune._old_runs", lambda before: iter([SimpleNamespace(name="old", id=uuid4())]))
        prune_runs(timedelta(days=30), NOW)

    assert set(shown) == {"Bearer secret"}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")  # ZenML counts what its database removed already
@pytest.mark.usefixtures("mlflow_as_before")
def test_an_environment_removes_no_pages_of_another_that_shares_its_mlflow(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # Given pages of two environments, and one of before they were told apart, in one MLflow
    monkeypatch.chdir(tmp_path)
    shared = tracker(f"sqlite:///{tmp_path}/mlflow.db")
    monkeypatch.setattr(Stack, "experiment_tracker", shared)
    client, examined = Client(), Examined(Examination(), "<p>drift</p>", "")
    components = {kind: of[0].id for kind, of in client.active_stack_model.components.items()}
    stacks = {
        name: client.create_stack(f"pages-{name}", components, labels={"environment": name}) for name in ENVIRONMENTS
    }
    for name in ENVIRONMENTS:
        monkeypatch.setenv("ZENML_ACTIVE_STACK_ID", str(stacks[name].id))
        keep_pages(examined, cast("Measurement", SimpleNamespace(bundle_digest="d", version=name)), "run")
    with mlflow.start_run(run_name="version untagged", tags={"version": "untagged"}):
        pass

    # When both have grown old, and one of the two tidies up
    monkeypatch.setattr("steps.prune._old_runs", lambda before: iter([SimpleNamespace(name="old", id=uuid4())]))
    monkeypatch.setattr("steps.prune._remove", lambda run: None)
    monkeypatch.setenv("ZENML_ACTIVE_STACK_ID", str(stacks["staging"].id))
    prune_runs(timedelta(), datetime.now(UTC) + timedelta(days=1))

    monkeypatch.delenv("ZENML_ACTIVE_STACK_ID")
    for stack in stacks.values():
        client.delete_stack(stack.id)

    # Then its own are gone
    left = mlflow.search_runs(experiment_names=[EXPERIMENT], output_format="list")
    assert {run.data.tags["version"] for run in left} == {"prod", "untagged"}
