import fcntl
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

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

pytestmark = pytest.mark.timeout(900)  # a whole demo, training included, is in a fixture

HOUR = timedelta(hours=1)
SHORT_WINDOWS = """monitoring:
  window_hours: 1
  drift:
    windows: 2
    flagged: 2
    min_rows: 90
"""
"""Of the few hours that are taken one by one here."""


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


@dataclass(frozen=True)
class Demo:
    """A project in which the demo has run, on a pipe and in a process of its own."""

    root: Path
    command: list[str]
    environment: dict[str, str]
    stdout: str
    stderr: str

    @property
    def places(self) -> dict[str, str]:
        """What the summary names at its end."""
        return dict(re.findall(r"^(\w[\w ]*\w) +(\S+)", self.stdout.rpartition("\n\n")[2], re.MULTILINE))


@pytest.fixture(scope="module")
def demo(project_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    root = tmp_path_factory.mktemp("demo")
    shutil.copytree(project_root / "configs", root / "configs")
    dev = root / "configs" / "dev.yaml"
    dev.write_text(dev.read_text().replace("monitoring:\n  drift:\n", SHORT_WINDOWS))
    assert SHORT_WINDOWS in dev.read_text()
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ZENML_")}
    environment = kept | {"CHURN_ROOT": str(root), "PYTHONPATH": str(project_root)}
    command = [sys.executable, "-m", "cli.main", "demo", "--hours", "4"]
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    yield Demo(root, command, environment, done.stdout, done.stderr)
    subprocess.run([*command[:3], "demo", "--clean"], cwd=root, env=environment, capture_output=True, check=True)
    assert sorted(path.name for path in root.iterdir()) == ["configs"]


def test_on_a_pipe_the_demo_says_a_line_for_each_stage_and_the_log_the_rest(demo: Demo) -> None:
    stages = [re.fullmatch(r" *\d+\.\d s  (.+)", line) for line in demo.stderr.splitlines()]
    lines = [json.loads(line) for line in (demo.root / demo.places["log"]).read_text().splitlines()]

    assert [match and match[1].split(":")[0] for match in stages] == [
        "ZenML",
        "Vault",
        "the past until 1998-04-02",
        "features and models from the past",
        "evidence and gate for the best one",
        "into production, behind the API",
        "what came later, until 1998-06-30 20",
        "every customer scored as of 1998-06-30, for those who ask",
        "the last 4 hours, one by one",
        "a look at the model in production",
        "features and models from all there is",
        "evidence and gate for the best one",
        "into production, behind the API",
        "a canary that fails on purpose, for real customers",
        "every customer scored, and a look at the model in production",
    ]
    assert sum(line["event"] == "ingested" for line in lines) == 6


def test_the_demo_accounts_for_every_row_and_names_the_report_of_the_backlog(demo: Demo) -> None:
    places = demo.places
    backlog, newest = ((demo.root / places[name]).read_text() for name in ("backlog report", "newest report"))

    assert "69,662 read = 69,404 appended + 255 duplicate + 3 quarantined" in demo.stdout
    rows = re.compile(r"rows read</span><b>([\d,]+)")
    counts = [int(match[1].replace(",", "")) for match in map(rows.search, (backlog, newest)) if match]
    assert len(counts) == 2
    assert counts[0] > 60_000 > 1_000 > counts[1] > 0


def test_the_demo_brings_its_best_model_to_production_and_names_the_evidence(demo: Demo) -> None:
    assert re.search(r"^version \d \(logistic regression\) is in production;", demo.stdout, re.MULTILINE)
    assert "The gate lets it pass" in (demo.root / demo.places["evidence"]).read_text()


def test_the_demo_rolls_its_second_model_out_as_a_canary(demo: Demo) -> None:
    told = re.search(r"^it replaced version (\d) as a canary, shadow → 5 % → 25 % → 50 % → 100 %: ", demo.stdout, re.M)
    assert told
    assert int(told[1]) <= 3
    assert re.search(r"^version [456] \(", demo.stdout, re.MULTILINE)
    noticed = re.findall(
        r"^meanwhile ([\d,]+) requests of real customers, 0 of them failed$", demo.stdout, re.MULTILINE
    )
    assert len(noticed) == 2
    assert int(noticed[0].replace(",", "")) > 2_000
    assert "50 %" in (demo.root / demo.places["rollout page"]).read_text()


def test_the_demo_serves_its_model_and_takes_a_failing_canary_back_unnoticed(demo: Demo) -> None:
    assert re.search(r"^the failing canary was taken back after [\d,]+ requests of", demo.stdout, re.MULTILINE)
    asked = shlex.split(next(line for line in demo.stdout.splitlines() if line.startswith("ask it ")))[2:]
    answer = subprocess.run([*asked, "-i"], capture_output=True, text=True, timeout=20, check=True).stdout
    assert "x-churn-track: stable" in answer
    assert json.loads(answer.rpartition("\n\n")[2])["data"]["names"] == ["stay", "churn"]


def test_the_demo_sees_a_quarter_s_drift_and_trains_again(demo: Demo) -> None:
    assert re.search(
        r"^monitoring of version \d, 1998-07-01 00:\d\d: RETRAIN: .*tenure_days", demo.stdout, re.MULTILINE
    )
    assert re.search(r"^so .*train", demo.stdout, re.MULTILINE)
    why = re.findall(r"^trained a second time: (.+)$", demo.stdout, re.MULTILINE)
    assert any(reason.startswith("retraining was called for at 1998-07-01") for reason in why)
    assert any(re.fullmatch(r"[\d,]+ customers have a new outcome, .+", reason) for reason in why)
    assert "tenure_days" in (demo.root / demo.places["monitoring page"]).read_text()


def test_the_demo_lives_through_the_past_and_comes_back_to_the_present(demo: Demo) -> None:
    def ledger(*options: str) -> dict[str, Any]:
        words = [*demo.command[:3], "ledger", "show", "--json", *options]
        done = subprocess.run(words, cwd=demo.root, env=demo.environment, capture_output=True, text=True, check=True)
        return dict(json.loads(done.stdout))

    then, now = ledger("--at", "1998-06-30T21:00"), ledger()

    (first,) = (version for version, stage in then["stages"].items() if stage == "production")
    assert now["stages"][first] == "archived"
    assert [entry["at"][:10] for entry in then["entries"] if entry["decision"] == "deployed"] == ["1998-04-02"] * 2
    assert datetime.now(UTC) - datetime.fromisoformat(now["entries"][-1]["at"]) < HOUR
    assert not (demo.root / ".churn" / "clock").exists()


def test_the_demo_ends_with_whom_to_contact_and_a_look_at_the_newest_model(demo: Demo) -> None:
    assert re.search(r"^monitoring of version [456], 20\d\d-.*: WATCH: no window", demo.stdout, re.MULTILINE)
    said = re.search(r"^([\d,]+) customers scored, ([\d,]+) to be contacted", demo.stdout, re.MULTILINE)
    assert said
    customers, contacts = (int(number.replace(",", "")) for number in said.groups())
    listed = pl.read_csv(demo.root / demo.places["contact list"])
    assert customers > contacts == listed.height > 0


def test_a_demo_that_is_stopped_says_how_to_go_on(demo: Demo) -> None:
    pipe = subprocess.PIPE
    with subprocess.Popen(
        demo.command, cwd=demo.root, env=demo.environment, stdout=pipe, stderr=pipe, text=True
    ) as process:
        assert process.stderr
        first = process.stderr.readline()
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)

    assert "ZenML" in first
    assert process.returncode == 130
    assert said.splitlines()[-1] == "stopped; run it again to go on from here"
    assert "Traceback" not in said


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
