"""`churn versions`, `promote`, `ledger`, `status`, `repair` and `train` on a trained project."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner, Result
from zenml.client import Client
from zenml.models import PipelineRunResponse

from churn.lake.table import open_version
from churn.ledger.standing import standing
from cli.main import app
from stacks.environment import project_clock
from steps.registry import active_ledger, active_registry
from tests.promoted import EASY, fresh_ledger
from tests.trained import Trained, configure, inside, register_again

pytestmark = [
    pytest.mark.timeout(900),  # the one training counts to whichever test comes first
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]
Run = Callable[..., Result]
OWN = "churn-commands"
"""A model of its own, so that every version there is belongs to this suite's ledger."""


@pytest.fixture(scope="module")
def promoted(trained: Trained) -> Iterator[str]:
    """A version that `churn promote` has brought to staging."""
    with inside(trained.root), fresh_ledger(trained):
        configure(trained.root, OWN, promotion=dict(EASY))
        version = register_again(trained).models[0].version
        result = CliRunner().invoke(app, ["promote", version])
        assert result.exit_code == 0, result.output
        assert f"version {version} is in staging now" in result.output
        yield version
        configure(trained.root)


@pytest.fixture
def churn(promoted: str) -> Run:
    return lambda *arguments: CliRunner().invoke(app, list(arguments))


def test_versions_are_listed_with_stage_and_figures(churn: Run, promoted: str) -> None:
    result = churn("versions", "--json")

    assert result.exit_code == 0, result.output
    listed = {item["version"]: item for item in json.loads(result.stdout)}
    assert listed[promoted]["stage"] == "staging"
    assert 0.5 < listed[promoted]["roc_auc"] < 1
    assert {item["stage"] for version, item in listed.items() if version != promoted} == {"none"}
    shown = churn("versions").stdout
    assert "logistic regression" in shown
    assert "c0ffeec0" in shown


@pytest.mark.parametrize(("command", "version"), [("promote", "999"), ("promote", "x; drop"), ("deploy", "999")])
def test_a_version_that_does_not_exist_starts_no_run(churn: Run, command: str, version: str) -> None:
    before = Client().list_pipeline_runs(size=1).total

    result = churn(command, version)

    assert result.exit_code != 0
    assert Client().list_pipeline_runs(size=1).total == before
    assert f"version {version}: the model {OWN} has none in ZenML" in result.output


def test_the_ledger_shows_who_decided_what_and_how_it_stood_before(churn: Run, promoted: str) -> None:
    entry = active_ledger().entries()[-1]

    shown = churn("ledger", "show")
    before = churn("ledger", "show", "--at", (entry.at - timedelta(minutes=30)).isoformat(), "--json")

    assert f"staging: version {promoted}" in shown.stdout
    assert "default" in shown.stdout
    assert json.loads(before.stdout)["stages"] == {}
    assert churn("ledger", "show", "--at", "yesterday").exit_code == 2


def test_a_sound_ledger_is_verified(churn: Run) -> None:
    result = churn("ledger", "verify")

    assert result.exit_code == 0, result.output
    assert "none changed, removed, moved or put in" in result.stdout


def test_a_chain_written_anew_is_found_by_what_the_versions_note(churn: Run, promoted: str) -> None:
    from churn.ledger.entry import Draft, Entry

    ledger = active_ledger()
    files = [Path(file) for file in open_version(ledger.uri).files()]
    whole = {file: file.read_bytes() for file in files}
    last, forged = None, {}
    for old in ledger.entries():
        content = old.model_dump(include=set(Draft.model_fields)) | {"actor": "mallory"}
        last = Entry.following(last, Draft(**content), old.at)
        forged[last.sequence] = last
    for file in files:
        rows = [forged[sequence].to_row() for sequence in pl.read_parquet(file)["sequence"]]
        pl.DataFrame(rows, schema=pl.read_parquet_schema(file)).write_parquet(file)
    try:
        result = churn("ledger", "verify")
    finally:
        for file, bytes_before in whole.items():
            file.write_bytes(bytes_before)

    assert result.exit_code == 1
    assert "is not the one noted at its model version: the chain was rewritten" in result.stderr


def test_a_stage_set_by_hand_is_named_and_repaired(churn: Run, promoted: str) -> None:
    ledger = active_ledger()
    other = next(version for version in standing(ledger.entries()).stages if version != promoted)
    assert churn("status").exit_code == 0
    active_registry().version(other).set_stage("production", force=True)

    named = churn("status")
    mended = churn("repair")

    assert named.exit_code == 1
    assert f"version {other}: none in the ledger, production in ZenML" in named.stdout
    assert mended.exit_code == 0
    assert f"mended: version {other}" in mended.stdout
    assert json.loads(churn("status", "--json").stdout)["disagreements"] == []
    assert "agree" in churn("repair").stdout


def test_the_status_is_one_screen_of_lake_models_and_ledger_also_of_the_past(churn: Run, promoted: str) -> None:
    entries = active_ledger().entries()
    trained = next(entry for entry in entries if entry.decision == "registered")

    shown = churn("status").stdout
    now = json.loads(churn("status", "--json").stdout)
    then = json.loads(churn("status", "--json", "--at", trained.at.isoformat()).stdout)

    assert re.search(r"activity.*\d+", shown)
    assert "read through" in shown
    assert f"staging: version {promoted} (" in shown
    assert f"ledger: {len(entries)} entries, head {entries[-1].hash[:12]}" in shown
    assert now["models"][1]["version"] == promoted
    assert now["models"][1]["metrics"]["roc_auc"] > 0.5
    assert [model["version"] for model in then["models"]] == [None, None]
    assert then["ledger"]["sequence"] == trained.sequence
    assert {table["table"] for table in then["lake"]["tables"]} >= {"activity", "journal"}
    assert then["deployment"] is None


def test_the_status_says_when_the_project_lives_in_the_past(churn: Run, promoted: str) -> None:
    yesterday = datetime.now(UTC) - timedelta(days=1)
    present = json.loads(churn("status", "--json").stdout)
    project_clock().begin(yesterday)
    try:
        shown = churn("status").stdout
        scraped = re.search(r"^churn_metrics_refreshed_timestamp_seconds (\S+)$", churn("metrics").stdout, re.MULTILINE)
    finally:
        project_clock().catch_up()

    assert present["clock"] is None
    assert scraped
    assert datetime.now(UTC).timestamp() - float(scraped[1]) < 600  # alerts hold it against Prometheus' time
    assert f"clock: it is {yesterday:%Y-%m-%d %H:}" in shown


def test_the_metrics_are_those_of_the_status_printed_or_in_a_file(churn: Run, promoted: str, tmp_path: Path) -> None:
    file = tmp_path / "churn.prom"
    file.write_text("old")

    seen = json.loads(churn("status", "--json").stdout)
    printed = churn("metrics")
    written = churn("metrics", "--file", str(file))

    assert (printed.exit_code, written.exit_code) == (0, 0), printed.output + written.output
    assert (
        f'churn_registry_version_info{{candidate="logistic_regression",stage="staging",version="{promoted}"}} 1.0'
        in (printed.stdout.splitlines())
    )
    assert f"churn_ledger_entries_total {float(seen['ledger']['sequence'])}" in printed.stdout
    rows = {table["table"]: table["rows"] for table in seen["lake"]["tables"]}
    assert f'churn_table_rows{{table="activity"}} {float(rows["activity"])}' in printed.stdout
    assert [entry.name for entry in tmp_path.iterdir()] == [file.name]
    assert _without_times(file.read_text()) == _without_times(printed.stdout)


def _without_times(page: str) -> list[str]:
    return [line for line in page.splitlines() if not line.startswith("churn_metrics_refresh")]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["metrics", "--file", "churn.txt"], "must be named *.prom"),
        (["metrics", "--file", "nowhere/churn.prom"], "cannot be written (No such file or directory)"),
        (["metrics", "--serve", "70000"], "65535"),
        (["metrics", "--serve", "0", "--file", "churn.prom"], "give one of the two"),
        (["status", "--at", "yesterday"], "is no ISO 8601 time"),
        (["status", "--at", "2999-01-01"], "has not come yet"),
        (["promote", "-1"], "No such option"),
        (["monitor", "--every", "1h", "--at", "2026-01-01"], "exclude one another"),
        (["monitor", "--every", "soon"], "is no period"),
        (["train", "--every", "1d"], "--if-needed"),
        (["promote", "1", "--to", "heaven"], "is not one of"),
    ],
)
def test_wrong_words_are_named(churn: Run, words: list[str], says: str) -> None:
    result = churn(*words)

    assert result.exit_code in (1, 2)
    assert says in result.output.replace("\n", " ")


def test_an_mlflow_that_is_away_is_named_and_nothing_is_half_done(
    churn: Run, promoted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracker = Client().active_stack.experiment_tracker
    assert tracker is not None
    monkeypatch.setattr(type(tracker), "get_tracking_uri", lambda self, **_: "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    before = active_ledger().entries()

    result = churn("promote", promoted, "--to", "production")

    assert result.exit_code == 1
    assert "MLflow does not answer" in result.output
    assert active_ledger().entries() == before


def test_training_waits_while_there_is_no_reason(churn: Run) -> None:
    result = churn("train", "--if-needed")

    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("wait: the last training is ")


def test_a_failed_training_does_not_keep_the_next_one_from_running(
    churn: Run, trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing() -> PipelineRunResponse:
        raise RuntimeError("no")

    with fresh_ledger(trained), monkeypatch.context() as patch:
        patch.setattr("pipelines.training.train_churn_model", failing)
        for _ in range(2):
            result = churn("train", "--if-needed")
            assert result.exit_code == 1
            assert result.stdout.startswith("train: no training has registered a model yet")


@pytest.mark.slow  # ZenML asks again for half a minute
def test_a_zenml_server_that_is_away_is_named_in_one_line(project_root: Path, tmp_path: Path) -> None:
    configure(tmp_path)
    away = {"ZENML_STORE_URL": "http://127.0.0.1:9", "ZENML_STORE_API_KEY": "ZENKEY_none"}
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ZENML_")}
    environment = kept | away | {"CHURN_ROOT": str(tmp_path), "PYTHONPATH": str(project_root)}

    command = [sys.executable, "-m", "cli.main", "promote", "1"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    assert done.returncode == 1
    said = done.stderr.strip().splitlines()[-1]
    assert said.startswith("the ZenML server does not answer (Error connecting to URL 'http://127.0.0.1:9')")
    assert "Traceback" not in done.stderr
