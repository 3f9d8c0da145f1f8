import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from churn.sources.cdnow import Cdnow

Churn = Callable[..., Result]


def test_a_day_is_uploaded_and_ingested_and_every_row_accounted_for(ingested: Churn) -> None:
    again = ingested("replay", "--source", "cdnow", "--until", "1997-01-02")
    snapshot = json.loads(ingested("snapshot", "--json").stdout)

    match = re.search(r"([\d,]+) objects with ([\d,]+) rows", again.stdout)
    assert match
    assert f"({match[1]} were there already)" in again.stdout
    rows = snapshot["tables"]["activity"]["rows"]
    assert 0 < rows <= int(match[2].replace(",", ""))


def test_the_token_of_a_customer_is_all_that_is_printed(ingested: Churn) -> None:
    customer = next(Cdnow().read("activity"))["customer_id"][0]

    typed, piped = ingested("token", customer), ingested("token", "-", stdin=f"{customer}\n")

    assert re.fullmatch(r"cus_[0-9a-f]{32}\n", typed.stdout)
    assert piped.stdout == typed.stdout


def test_an_unknown_customer_is_an_error_that_does_not_repeat_the_id(ingested: Churn) -> None:
    result = ingested("token", "canary-4711")

    assert (result.exit_code, result.stdout) == (1, "")
    assert len(result.stderr.splitlines()) == 1
    assert "canary-4711" not in result.stderr


def test_an_empty_quarantine_says_so(ingested: Churn) -> None:
    assert ingested("quarantine", "show").stdout == "nothing is in quarantine\n"
    assert ingested("quarantine", "show", "--json").stdout == "[]\n"


def test_replaying_an_empty_quarantine_is_an_error_in_one_line(ingested: Churn) -> None:
    result = ingested("quarantine", "replay", "--all")

    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.count("\n") == 1


def test_upkeep_lists_every_table(ingested: Churn) -> None:
    result = ingested("upkeep")

    assert result.exit_code == 0
    assert {"activity", "subjects", "journal"} <= set(re.findall(r"\w+", result.stdout))


def test_upkeep_begins_the_audit_log_of_the_vault_anew_once_it_is_long(ingested: Churn, root: Path) -> None:
    settings, vault = root / "configs" / "dev.yaml", root / ".churn" / "vault"
    before = settings.read_text()
    asked = (vault / "audit.log").read_text()
    settings.write_text(f"{before}\nupkeep:\n  audit_bytes: 1\n")
    try:
        result = ingested("upkeep")
    finally:
        settings.write_text(before)

    assert result.stdout.endswith("the vault's audit log was long and begins anew\n")
    assert [path.read_text() for path in vault.glob("audit-*.log")] == [asked]


def test_a_stack_registered_again_is_unchanged(ingested: Churn) -> None:
    lines = ingested("stack", "register", "dev").stdout.splitlines()

    assert len(lines) == 6
    assert all(line.startswith("unchanged") for line in lines)


@pytest.mark.parametrize("words", [("ingest", "--schedule", "--environment", "dev"), ("monitor", "--schedule")])
def test_the_local_orchestrator_has_no_schedules(ingested: Churn, words: tuple[str, ...]) -> None:
    result = ingested(*words)

    assert result.exit_code == 1
    assert f"churn {words[0]} --every 1h" in result.stderr


def test_the_vault_can_be_looked_at_stopped_and_started(ingested: Churn) -> None:
    running = ingested("vault", "status")
    stopped, gone = ingested("vault", "stop"), ingested("vault", "status")
    started = ingested("vault", "start")

    assert (running.exit_code, running.stdout.split()[0]) == (0, "running")
    assert (stopped.stdout, gone.exit_code, gone.stdout) == ("stopped\n", 1, "stopped\n")
    assert started.stdout.startswith("http://127.0.0.1:")


@pytest.mark.parametrize(
    ("command", "complaint"),
    [
        (["stack", "register", "moon"], "known stacks: dev, prod, staging"),
        (["replay", "--source", "moon"], "no source moon"),
        (["ingest", "--environment", "prod"], "churn stack register prod"),
    ],
)
def test_an_error_is_one_line_on_stderr(churn: Churn, command: list[str], complaint: str) -> None:
    result = churn(*command)

    assert (result.exit_code, result.stdout) == (1, "")
    assert complaint in result.stderr.splitlines()[-1]
    assert "Traceback" not in result.stderr


def test_the_active_stack_without_settings_is_refused_before_anything_runs(
    ingested: Churn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "staging.yaml").write_text(
        "environment: staging\nlanding: {url: landing}\nlake: {url: lake}\n"
    )
    monkeypatch.setenv("CHURN_ROOT", str(tmp_path))

    result = ingested("ingest")

    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == f"{tmp_path}/configs/dev.yaml: no such settings file; known environments: staging\n"


def test_debugging_keeps_the_traceback(churn: Churn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHURN_DEBUG", "1")

    assert type(churn("stack", "register", "moon").exception).__name__ == "StackError"


@pytest.mark.parametrize(
    "command",
    [
        ["nonsense"],
        ["ingest", "--every", "often"],
        ["ingest", "--every", "1h", "--until", "1997-01-02"],
        ["ingest", "--until", "yesterday"],
        ["replay", "--from", "yesterday"],
        ["replay", "--format", "xml"],
        ["replay", "--from", "1998-01-02", "--until", "1998-01-02"],
        ["quarantine", "replay"],
        ["quarantine", "replay", "--all", "--reason", "missing:customer_id"],
        ["snapshot", "--environment", "moon"],
    ],
)
def test_wrong_usage_exits_with_2(churn: Churn, command: list[str]) -> None:
    assert churn(*command).exit_code == 2


def test_help_starts_without_the_heavy_libraries(project_root: Path) -> None:
    script = (
        "import sys; from typer.testing import CliRunner; from cli.main import app; "
        "assert CliRunner().invoke(app, ['--help']).exit_code == 0; "
        "print(*{'zenml', 'polars', 'deltalake', 'hvac', 'pandas'} & set(sys.modules))"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], cwd=project_root, capture_output=True, text=True, check=True
    )

    assert result.stdout.strip() == ""
