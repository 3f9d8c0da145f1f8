"""The whole of `make demo`, of a few hours taken one by one, and what it promises: `make test-demo`."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

pytestmark = [pytest.mark.demo, pytest.mark.timeout(900)]  # all of it is in a fixture

HOUR = timedelta(hours=1)
SHORT_WINDOWS = """monitoring:
  window_hours: 1
  drift:
    windows: 2
    flagged: 2
    min_rows: 90
"""
"""Of the few hours that are taken one by one here."""


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
