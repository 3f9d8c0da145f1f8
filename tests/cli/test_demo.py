import fcntl
import sys
import warnings
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner
from zenml.exceptions import RunInterruptedException
from zenml.utils.source_utils import set_custom_source_root

import cli.demo
import cli.ingest
import vault.datakey
from churn.ingestion.report import IngestReport
from cli.demo_summary import _command
from cli.main import app
from cli.zen import alone_with_store, zenml_home
from tests.world import START, make_event, world_in

HOUR = timedelta(hours=1)


def test_the_demo_takes_hours_that_another_run_has_closed_already(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = world_in(tmp_path)
    world.upload([make_event(1)])
    world.ingest(START + 100 * HOUR)
    world.upload([make_event(2), make_event(3)], hour=START + HOUR)

    def run(until: datetime) -> IngestReport:
        return replace(world, runs=1).ingest(until)

    monkeypatch.setattr(cli.ingest, "run_ingestion", run)
    monkeypatch.setattr(vault.datakey, "key_source", lambda settings, root: world.key)

    assert cli.demo._ingest(world.settings, tmp_path, START + 2 * HOUR) == 2
    assert cli.demo._ingest(world.settings, tmp_path, START + 2 * HOUR) == 0
    assert world.rows().height == 3


def test_the_store_is_used_for_the_first_time_by_one_process_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ZENML_CONFIG_PATH")
    with (
        alone_with_store(tmp_path),
        (zenml_home(tmp_path) / ".first-use.lock").open("w") as other,
        pytest.raises(BlockingIOError),
    ):
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)


@pytest.mark.parametrize("activated", [True, False])
def test_commands_that_the_demo_names_can_be_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, activated: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / ".venv" / "bin"
    folder.mkdir(parents=True)
    (folder / "churn").touch(mode=0o755)
    monkeypatch.setattr(sys, "executable", str(folder / "python"))
    monkeypatch.setenv("PATH", str(folder) if activated else "/usr/bin")
    assert _command("churn") == ("churn" if activated else ".venv/bin/churn")


def test_a_run_that_was_stopped_ends_like_any_interrupted_command(
    project_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(**arguments: object) -> None:
        raise RunInterruptedException("The execution was interrupted.")

    set_custom_source_root(str(project_root))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what ZenML imports announces removals in Python 3.13
        monkeypatch.setattr("pipelines.ingestion.ingest_activity", stopped)
    with pytest.raises(KeyboardInterrupt):
        cli.ingest.run_ingestion(START)


def test_hours_that_are_still_to_come_cannot_be_closed() -> None:
    result = CliRunner().invoke(app, ["ingest", "--until", "9000-01-01"])
    assert result.exit_code == 2
    assert "has not come yet" in result.output
