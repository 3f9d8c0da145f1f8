import os
from pathlib import Path

import pytest

from seldon.gateway.folder import DeploymentFolder
from seldon.gateway.process_logs import tidy
from seldon.gateway.settings import GatewaySettings


@pytest.fixture
def folder(tmp_path: Path) -> DeploymentFolder:
    made = DeploymentFolder(tmp_path / "churn")
    made.prepare()
    return made


def test_servers_that_are_gone_leave_no_more_logs_than_that(folder: DeploymentFolder) -> None:
    for age, name in enumerate(["stable-1-81", "canary-2-82", "stable-2-83", "canary-3-84"]):
        (folder.logs / f"{name}.log").write_text("started")
        os.utime(folder.logs / f"{name}.log", (age, age))
    (folder.logs / "canary-2-82.log.1").write_text("long ago")
    (folder.logs / "envoy.log").write_text("started")
    folder.write(folder.runs / "stable-1-81.json", "{}")

    tidy(folder, GatewaySettings(landing="landing", server_logs=2))

    left = {path.name for path in folder.logs.iterdir()}
    assert left == {"stable-1-81.log", "stable-2-83.log", "canary-3-84.log", "envoy.log"}


def test_a_long_log_begins_anew_while_its_process_goes_on_printing(folder: DeploymentFolder) -> None:
    settings = GatewaySettings(landing="landing", log_bytes=1_000)
    path = folder.logs / "supervisor.log"
    with path.open("a") as printed:
        for number in range(400):
            print(f"line {number}", file=printed, flush=True)
            tidy(folder, settings)

    before = path.with_name("supervisor.log.1")
    lines = (before.read_text() + path.read_text()).splitlines()
    assert lines == [f"line {number}" for number in range(400)][-len(lines) :]
    assert 1_000 <= before.stat().st_size + path.stat().st_size < 2_100
    assert before.stat().st_mode & 0o077 == 0
