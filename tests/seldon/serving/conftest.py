import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest

from benchmarks import frames
from churn.bundle.bundle import Bundle
from churn.bundle.write import write_bundle
from churn.evaluation.settings import EvaluationSettings
from churn.training.frames import SplitFrames
from churn.training.judge import judge
from churn.training.settings import TrainingSettings
from churn.training.train import train_candidates
from seldon.serving.answer import Identity
from seldon.serving.columns import Columns, Rows
from seldon.serving.model import Model, open_model
from seldon.serving.records import Entry, Features
from tests.seldon.serving.cases import NAMES, ROW

IDENTITY = Identity(deployment="churn", namespace="churn", name="churn", version="7", digest="ab" * 32, track="canary")
TOKEN = "cus_0123456789abcdef0123456789abcdef"


def entry_of(
    model: Model,
    ids: Sequence[str],
    customers: Sequence[str | Sequence[str] | None],
    rows: Sequence[Rows],
    scores: Sequence[float] | None = None,
    at: float = 0.0,
) -> Entry:
    """Return what the log is given of requests that were scored together, contacted from 0.5 on."""
    sizes = [one.size for one in rows]
    given = model.matrices(sum(sizes), [one.numbers for one in rows], [one.texts for one in rows])
    known = np.array([0.5] * sum(sizes) if scores is None else scores)
    return Entry(ids, customers, sizes, [0.5] * len(rows), at, *given, known, (known >= 0.5).tolist())


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Server:
    process: subprocess.Popen[str]
    port: int
    landing: Path
    ready_after: float

    def ask(
        self, path: str, body: object = None, headers: Mapping[str, str] | None = None, method: str | None = None
    ) -> Answer:
        """Send one request; anything but bytes goes as JSON."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        sent = {"content-type": "application/json", **(headers or {})}
        connection.request(method or ("GET" if body is None else "POST"), path, content, sent)
        response = connection.getresponse()
        answer = Answer(
            response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
        )
        connection.close()
        return answer

    def metric(self, name: str) -> float:
        lines = self.ask("/metrics").body.decode().splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.split("{")[0].split(" ")[0] == name)

    def end(self) -> int:
        """Ask the process to end, and wait for it."""
        self.process.send_signal(signal.SIGTERM)
        with self.process:
            return self.process.wait(30)


Serve = Callable[..., Server]


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return small_bundle(tmp_path_factory.mktemp("serving") / "bundle")


def small_bundle(path: Path, reference_rows: int = 200) -> Bundle:
    """A model of little data; with another number of reference rows the same model has another digest."""
    settings = TrainingSettings(
        candidates=("logistic_regression",),
        evaluation=EvaluationSettings(bootstrap_rounds=20, importance_rows=100, importance_rounds=1),
        reference_rows=reference_rows,
        transformed_rows=100,
    )
    splits = frames.split_frames(train_rows=900, later_rows=500)
    names = {"noise_0": "active_day_rate"}  # which the documentation's examples name
    splits = SplitFrames(**{split: frame.rename(names) for split, frame in splits.named})
    catalogue = tuple(replace(feature, name=names.get(feature.name, feature.name)) for feature in frames.catalogue())
    [candidate, *_] = trained = list(train_candidates(splits, catalogue, settings))
    report = judge(trained, splits, catalogue, settings)
    return write_bundle(path, candidate, splits, report, settings, frames.lineage(splits))


@pytest.fixture(scope="session")
def interpreter(project_root: Path, service_missing: Callable[[str], NoReturn]) -> Path:
    """The Python of the locked serving environment."""
    python = project_root / ".venv-serving" / "bin" / "python"
    if not python.exists():
        service_missing("no .venv-serving here; make .venv-serving/.ready")
    return python


def command(interpreter: Path, bundle: Bundle, *options: str) -> list[str]:
    given = {"--bundle": str(bundle.path), "--digest": bundle.digest, "--version": "7", "--port": "0"}
    words = [word for pair in given.items() if pair[0] not in options for word in pair]
    return [str(interpreter), "-m", "seldon.serving", *words, *options]


def started(words: list[str], root: Path, landing: Path, environ: Mapping[str, str] | None = None) -> Server:
    begun = time.monotonic()
    environment = {"PATH": os.environ["PATH"], **(environ or {})}
    process = subprocess.Popen(words, cwd=root, stdout=subprocess.PIPE, stderr=sys.stderr, text=True, env=environment)
    assert process.stdout is not None
    line = json.loads(process.stdout.readline())
    assert line["event"] == "ready"
    assert line["pid"] == process.pid
    return Server(process, line["port"], landing, time.monotonic() - begun)


@pytest.fixture
def serve(interpreter: Path, bundle: Bundle, project_root: Path, tmp_path: Path) -> Iterator[Serve]:
    """Starts servers of the test's own, with a log, and ends them."""
    servers: list[Server] = []

    def start(*options: str, environ: Mapping[str, str] | None = None) -> Server:
        landing = tmp_path / "landing"
        logged = () if "--log-to" in options else ("--log-to", str(landing))
        servers.append(started(command(interpreter, bundle, *logged, *options), project_root, landing, environ))
        return servers[-1]

    yield start
    for server in servers:
        with server.process:
            server.process.kill()


@pytest.fixture(scope="session")
def server(
    interpreter: Path, bundle: Bundle, project_root: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """One server for all tests that only ask."""
    landing = tmp_path_factory.mktemp("served")
    words = command(interpreter, bundle, "--log-to", str(landing), "--max-rows", "50", "--max-body", "65536")
    shared = started(words, project_root, landing)
    yield shared
    assert shared.end() == 0


@pytest.fixture(scope="module")
def model(bundle: Bundle) -> Model:
    return open_model(bundle.path, bundle.digest)


@pytest.fixture
def features(model: Model) -> Features:
    return Features(model.numbers, model.texts, model.missing)


@pytest.fixture
def entry(model: Model) -> Entry:
    rows = Columns(model, 100).read(NAMES, [ROW, ROW], "rows", lambda: False)
    return entry_of(model, ["r-1"], [TOKEN], [rows], scores=[0.25, 0.75], at=1_790_000_000.25)
