import json
import os
import re
import shlex
import shutil
import signal
import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click.testing
import pytest
import yaml
from structlog.testing import capture_logs
from typer.testing import Result
from zenml.client import Client

import cli.ingest
from churn.ingestion.report import IngestReport
from churn.landing.zone import LandingZone
from churn.settings import load_settings
from vault.datakey import EMBEDDED_STATE
from vault.server import stop_server

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
Churn = Callable[..., Result]
FOR_THE_SHELL = ("make", "source", "export")
"""Set an environment up, which the tests have; what they name is checked in tests/test_docs.py."""
QUICK = {
    "model_name": "churn-readme",  # whose first version has the number that the README names
    "features": {"active_days": 180, "max_train_cutoffs": 1},
    "training": {
        "candidates": ["logistic_regression"],
        "logistic_regression": {"inverse_regularisation": [0.1], "kept_features": [1.0]},
        "evaluation": {"bootstrap_rounds": 20, "importance_rows": 200, "importance_rounds": 1},
        "reference_rows": 200,
    },
}
"""Settings of a training that takes seconds."""


@pytest.fixture
def fresh(project_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A project in which nothing has run and no model has a version; the ZenML store is the one all tests share."""
    shutil.copytree(project_root / "configs", tmp_path / "configs")
    settings = tmp_path / "configs" / "dev.yaml"
    settings.write_text(yaml.safe_dump(yaml.safe_load(settings.read_text()) | QUICK))
    monkeypatch.setenv("CHURN_ROOT", str(tmp_path))
    # `churn reproduce` refuses a working tree with changes, such as that of who runs the tests before a commit.
    monkeypatch.setenv("CHURN_GIT_COMMIT", "0" * 40)
    monkeypatch.delenv("ZENML_ACTIVE_STACK_ID", raising=False)
    before = Client().active_stack_model.id
    yield tmp_path
    Client().activate_stack(before)
    stop_server(tmp_path / EMBEDDED_STATE)


def zenml(*words: str) -> click.testing.Result:
    """Run `zenml` with these arguments in this process."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what ZenML imports announces removals in Python 3.13
        from zenml.cli.cli import cli

        return click.testing.CliRunner().invoke(cli, list(words))


def stopped_after_one(run: Callable[..., IngestReport]) -> Callable[..., IngestReport]:
    """Let a run be followed by Ctrl-C."""

    def once(*arguments: object, **options: object) -> IngestReport:
        report = run(*arguments, **options)
        os.kill(os.getpid(), signal.SIGINT)
        return report

    return once


@pytest.mark.timeout(600)
def test_every_command_of_the_readme_does_what_it_says(
    fresh: Path, project_root: Path, churn: Churn, monkeypatch: pytest.MonkeyPatch
) -> None:
    landing = LandingZone(load_settings("dev", fresh).landing.url)
    old = {"customer_id": "c-1", "event_time": "1889-01-02T10:00:00Z", "event_type": "purchase"}
    landing.write("activity", datetime(1997, 1, 2, 10, tzinfo=UTC), "old.jsonl", json.dumps(old).encode())
    blocks = re.findall(r"```bash\n(.*?)```", (project_root / "README.md").read_text(), re.DOTALL)
    commands = [shlex.split(line, comments=True) for block in blocks for line in block.splitlines()]
    programs: dict[str, Callable[..., Any]] = {"churn": churn, "zenml": zenml}
    said: dict[str, str] = {}

    with capture_logs() as lines:
        for words in filter(None, commands):
            if words[0] in FOR_THE_SHELL:
                continue
            run = programs[words[0]]
            with monkeypatch.context() as patch:
                if "--every" in words:
                    patch.setattr(cli.ingest, "run_ingestion", stopped_after_one(cli.ingest.run_ingestion))
                result = run(*words[1:])
            assert result.exit_code == 0, f"{shlex.join(words)}: {result.output} {result.exception!r}"
            said[shlex.join(words)] = result.output

    assert "69,659 rows" in said["churn replay --source cdnow --per day"]
    assert "before_floor:event_time" in said["churn quarantine show"]
    assert "0 of 1 rows mended" in said["churn quarantine replay --reason before_floor"]
    assert re.fullmatch(r"cus_[0-9a-f]{32}\n", said["churn token 00001"])
    assert "69,404" in said["churn snapshot"]
    assert said["churn reproduce 1"].count("equal") == 3
    # What was replayed is history: said once, by the first of the two runs, and alarming nobody.
    # The model has just gone live, so nobody has watched it yet.
    assert [(line["kind"], line["log_level"]) for line in lines if line["event"] == "alert"] == [
        ("history", "info"),
        ("model_watch", "warning"),
    ]
