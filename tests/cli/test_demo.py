import fcntl
import shutil
import sys
import warnings
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner
from zenml.exceptions import RunInterruptedException
from zenml.utils.source_utils import set_custom_source_root

import cli.demo
import cli.ingest
import vault.datakey
from churn.ingestion.alert import Alert
from churn.ingestion.report import IngestReport
from churn.settings import load_settings
from churn.sources.registry import open_source
from churn.sources.source import UPLOADED
from cli.demo_data import Uploads
from cli.demo_summary import _alerts, _command
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

    uploads = Uploads(world.settings, tmp_path, open_source("cdnow"))
    for _ in range(2):
        uploads.ingest(START + 2 * HOUR)

    assert [report.counts.read for report in uploads.reports] == [2]
    assert world.rows().height == 3
    assert uploads.taken_beyond(START + 99 * HOUR)
    assert not uploads.taken_beyond(START + 100 * HOUR)


def test_the_store_is_used_for_the_first_time_by_one_process_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ZENML_CONFIG_PATH")
    with (
        alone_with_store(tmp_path, make=lambda: None),
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


def test_alerts_are_summed_up_by_kind_under_the_words_of_the_first(tmp_path: Path) -> None:
    report = world_in(tmp_path).ingest()
    quiet, bad = (
        Alert(kind=kind, severity="warning", stream="activity", message=f"{kind} for the first time", figures={})
        for kind in ("empty_hour", "bad_share")
    )
    again = quiet.model_copy(update={"message": "again"})

    reports = [report.model_copy(update={"alerts": alerts}) for alerts in ((quiet,), (), (again, bad), (again,))]

    assert _alerts(reports) == [
        "3 alerts empty_hour: empty_hour for the first time",
        "alert bad_share: bad_share for the first time",
        "",
    ]
    assert _alerts([report]) == []


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


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--source", "moon"], "no source moon; known sources: cdnow, online_retail, complete_journey, mapped"),
        (["--source", "online_retail"], "(make demo: DATA=FOLDER)"),
        (["--source", "online_retail", "--data", "nowhere"], "nowhere/online_retail/by-day.tar.gz: no such archive"),
        (["--source", "mapped"], "(make demo: DATA=FILE)"),
    ],
)
def test_a_source_that_cannot_be_opened_is_refused_in_one_line_before_anything_is_made(
    project_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], complaint: str
) -> None:
    shutil.copytree(project_root / "configs", tmp_path / "configs")
    monkeypatch.setenv("CHURN_ROOT", str(tmp_path))
    monkeypatch.setenv("CHURN_DATA", "")

    result = CliRunner().invoke(app, ["demo", *options])

    assert (result.exit_code, result.stdout) == (1, "")
    assert complaint in result.stderr
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / ".churn").exists()


def test_settings_of_a_laptop_let_the_hours_of_online_retail_in(project_root: Path, shared_data: Path) -> None:
    settings = load_settings("dev", project_root).ingestion
    source = open_source("online_retail", shared_data / "online_retail" / "by-day.tar.gz")
    rows = pl.concat(frame.select(UPLOADED, "customer_id") for frame in source.read("activity"))

    end = rows.select(pl.col(UPLOADED).max().dt.truncate("1d").dt.offset_by("1d")).item()
    hours = rows.group_by(pl.col(UPLOADED).dt.truncate("1h")).agg(pl.len(), bad=pl.col("customer_id").is_null().mean())
    judged = hours.filter(pl.col(UPLOADED) >= end - 48 * HOUR, pl.col("len") >= settings.min_rows_for_share)

    shares = judged["bad"].to_list()
    assert len(shares) > 10
    assert 0.9 < max(shares) < settings.max_bad_share
