import json
import shutil
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml
from zenml.client import Client
from zenml.models import PipelineRunResponse

from churn.landing.zone import LandingZone
from churn.settings import Settings, load_settings
from stacks.register import register_stack
from tests.sources import let_steps_be_imported
from vault.datakey import EMBEDDED_STATE
from vault.server import stop_server

let_steps_be_imported()


@dataclass
class Project:
    """A project of its own: settings, landing zone, lake, vault, and what its alerter posted."""

    root: Path
    settings: Settings
    zone: LandingZone
    alerts: list[dict[str, object]] = field(default_factory=list)

    @property
    def lake(self) -> Path:
        return Path(self.settings.lake.url)

    def upload(self, hour: datetime, name: str, *rows: dict[str, object]) -> None:
        self.zone.write("activity", hour, name, "".join(json.dumps(row) + "\n" for row in rows).encode())

    def run(self, hour: datetime) -> PipelineRunResponse:
        """Run the pipeline as if that hour had just ended."""
        from pipelines.ingestion import ingest_activity

        self.alerts.clear()
        run = ingest_activity(until=(hour + timedelta(hours=1)).isoformat())
        assert run is not None
        return run


@pytest.fixture(scope="module")
def project(project_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    root = tmp_path_factory.mktemp("project")
    shutil.copytree(project_root / "configs", root / "configs")
    settings = load_settings("dev", root)
    made = Project(root, settings, LandingZone(settings.landing.url))
    with pytest.MonkeyPatch.context() as patch, _webhook(made) as url, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what ZenML imports for its store announces removals in Python 3.13
        patch.setenv("CHURN_ROOT", str(root))
        _register(root, url)
        patch.setenv("ZENML_ACTIVE_STACK_ID", str(Client().get_stack("pipelines").id))
        yield made
    stop_server(root / EMBEDDED_STATE)


def _register(root: Path, webhook: str) -> None:
    components = [
        {"type": "orchestrator", "name": "pipelines", "flavor": "local"},
        {"type": "artifact_store", "name": "pipelines", "flavor": "local"},
        {"type": "alerter", "name": "pipelines", "flavor": "churn_log", "configuration": {"webhook_url": webhook}},
    ]
    document = {"name": "pipelines", "labels": {"environment": "dev"}, "components": components}
    (root / "pipelines.yaml").write_text(yaml.safe_dump(document))
    register_stack("pipelines", folder=root)


@contextmanager
def _webhook(project: Project) -> Iterator[str]:
    """Serve a URL that keeps what alerters post."""

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            project.alerts.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/"
    server.shutdown()
    thread.join()
    server.server_close()
