from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from types import SimpleNamespace
from uuid import uuid4

import mlflow
import pytest
from zenml.enums import StackComponentType
from zenml.integrations.mlflow.experiment_trackers import MLFlowExperimentTracker
from zenml.integrations.mlflow.flavors import MLFlowExperimentTrackerConfig
from zenml.stack import Stack

from steps.prune import prune_runs

NOW = datetime(2026, 3, 1, tzinfo=UTC)


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


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of what ZenML imports to list runs
def test_pages_are_removed_with_the_credentials_of_the_tracker(monkeypatch: pytest.MonkeyPatch) -> None:
    before = mlflow.get_tracking_uri()
    for name, value in {"URI": before, "TOKEN": "", "INSECURE_TLS": "false"}.items():  # so that they are put back
        monkeypatch.setenv(f"MLFLOW_TRACKING_{name}", value)
    with mlflow_server() as (url, shown):
        tracker = MLFlowExperimentTracker(
            name="shared",
            id=uuid4(),
            config=MLFlowExperimentTrackerConfig(tracking_uri=url, tracking_token="secret"),
            flavor="mlflow",
            type=StackComponentType.EXPERIMENT_TRACKER,
            user=None,
            created=NOW,
            updated=NOW,
        )
        monkeypatch.setattr(Stack, "experiment_tracker", tracker)

        monkeypatch.setattr("steps.prune._remove", lambda run: None)
        monkeypatch.setattr("steps.prune._old_runs", lambda before: iter([]))
        prune_runs(timedelta(days=30), NOW)
        assert shown == []  # nothing went, so MLflow is left alone
        monkeypatch.setattr("steps.prune._old_runs", lambda before: iter([SimpleNamespace(name="old", id=uuid4())]))
        prune_runs(timedelta(days=30), NOW)

    mlflow.set_tracking_uri(before)
    assert set(shown) == {"Bearer secret"}
