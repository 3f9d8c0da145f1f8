import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

import pytest
from zenml import pipeline, step
from zenml.client import Client
from zenml.enums import ExecutionStatus
from zenml.models import PipelineRunRequest, PipelineRunResponse

from churn.errors import ChurnError, KeyUnavailable, TooManyBadRows
from churn.ingestion.journal import read_stream, totals
from churn.ingestion.report import Counts
from churn.lake.snapshot import take_snapshot
from churn.settings import Settings
from steps.prune import HOURLY, prune_runs

HOUR = timedelta(hours=1)
TEN = datetime(2026, 3, 1, 10, tzinfo=UTC)
CANARY = "canary-4711"
"""Stands for a person: as id, in a column nobody declared, and in the name of an object."""


class Project(Protocol):
    root: Path
    settings: Settings
    lake: Path
    alerts: list[dict[str, Any]]

    def upload(self, hour: datetime, name: str, *rows: dict[str, object]) -> None: ...
    def run(self, hour: datetime) -> PipelineRunResponse: ...


def purchase(customer: str | None, minute: int, hour: datetime = TEN, **more: object) -> dict[str, object]:
    time = (hour + timedelta(minutes=minute)).isoformat()
    return {"customer_id": customer, "event_time": time, "event_type": "purchase", "amount": "9.90", **more}


@pytest.fixture(scope="module")
def first(project: Project) -> Iterator[PipelineRunResponse]:
    """A run over an hour with good rows, one twice, and one without a customer; and an object of an open hour."""
    project.upload(TEN, f"{CANARY}.jsonl", *(purchase(f"{CANARY}-{n}", n, note=CANARY) for n in range(8)))
    project.upload(TEN, "part-2.jsonl", purchase(f"{CANARY}-0", 0), purchase(None, 9))
    project.upload(TEN + HOUR, "part-1.jsonl", purchase(f"{CANARY}-1", 1, TEN + HOUR))
    run = project.run(TEN)
    alerts = list(project.alerts)
    yield run
    project.alerts[:] = alerts


def output(run: PipelineRunResponse, step: str, name: str) -> Any:
    return run.steps[step].outputs[name][0].load()


def test_the_scan_counts_what_was_due_and_what_was_not(first: PipelineRunResponse) -> None:
    scan = output(first, "discover", "landing_scan")

    activity = scan.streams[0]
    assert (scan.now, activity.objects, activity.not_closed) == (TEN + HOUR, 2, 1)


def test_the_report_accounts_for_every_row(first: PipelineRunResponse, project: Project) -> None:
    report = output(first, "ingest", "ingest_report")

    assert report.counts == Counts(read=10, appended=8, duplicate=1, quarantined=1)
    assert report.run_id == str(first.id)
    row = totals(project.settings.lake.url).row(0, named=True)
    assert (row["stream"], row["read"], row["appended"]) == ("activity", 10, 8)


def test_the_snapshot_pins_what_was_written(first: PipelineRunResponse, project: Project) -> None:
    snapshot = output(first, "publish", "data_snapshot")

    assert snapshot == take_snapshot(project.settings.lake.url)
    assert snapshot.tables["activity"].rows == 8


def test_the_run_carries_figures_with_stable_names(first: PipelineRunResponse, project: Project) -> None:
    metadata = Client().get_pipeline_run(first.id).run_metadata

    counts = {"rows_read": 10, "rows_appended": 8, "rows_duplicate": 1, "rows_quarantined": 1}
    assert {name: metadata[name] for name in counts} == counts
    assert metadata["version_activity"] == take_snapshot(project.settings.lake.url).tables["activity"].version
    assert metadata["alerts"] == metadata["alerts_sent"]
    assert isinstance(metadata["git_commit"], str)
    assert isinstance(metadata["git_dirty"], bool)


def test_bad_share_and_the_unknown_column_alert_through_the_stack(project: Project) -> None:
    project.upload(TEN + 2 * HOUR, "part-1.jsonl", purchase("c", 1, TEN + 2 * HOUR, colour="red"), purchase(None, 2))
    project.run(TEN + 2 * HOUR)

    kinds = [alert["kind"] for alert in project.alerts]
    assert sorted(set(kinds)) == sorted(kinds)
    assert {"bad_share", "schema_change"} <= set(kinds)


def test_the_dashboard_has_a_page_for_the_report(first: PipelineRunResponse) -> None:
    [page] = first.steps["ingest"].outputs["ingest_report"][0].visualizations or []

    assert "Ingest report" in Path(page.uri).read_text()


def test_running_again_reads_nothing_and_changes_nothing(first: PipelineRunResponse, project: Project) -> None:
    before = take_snapshot(project.settings.lake.url)

    again = project.run(TEN)

    assert output(again, "ingest", "ingest_report").counts == Counts()
    assert take_snapshot(project.settings.lake.url).tables["activity"].rows == before.tables["activity"].rows


def test_a_run_that_is_too_bad_alerts_and_writes_nothing(project: Project) -> None:
    hour = TEN + 5 * HOUR
    project.upload(hour, "part-1.jsonl", *(purchase(None, minute, hour) for minute in range(40)))
    before = totals(project.settings.lake.url).rows()

    with pytest.raises(TooManyBadRows):
        project.run(hour)

    assert [alert["kind"] for alert in project.alerts] == ["ingestion_failed"]
    assert totals(project.settings.lake.url).rows() == before
    for path in Path(project.settings.landing.url).rglob("hour=15/*"):
        path.unlink()


@pytest.mark.parametrize(("until", "fault"), [("9000-01-01T00:00", "has not come yet"), ("soon", "no ISO 8601 time")])
def test_a_run_refuses_a_clock_that_would_close_open_hours(
    first: PipelineRunResponse, project: Project, until: str, fault: str
) -> None:
    from pipelines.ingestion import ingest_activity

    with pytest.raises(ChurnError, match=fault):
        ingest_activity(until=until)

    assert fault in project.alerts[-1]["message"]
    closed_until = read_stream(project.settings.lake.url, "activity").closed_until
    assert closed_until is not None
    assert closed_until < datetime.now(UTC)


def test_without_the_key_nothing_is_read_and_an_alert_says_so(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VAULT_ADDR", "http://127.0.0.1:9")
    monkeypatch.setenv("VAULT_TOKEN", "none")

    with pytest.raises(KeyUnavailable):
        project.run(TEN)

    [alert] = project.alerts
    assert (alert["kind"], alert["severity"]) == ("ingestion_failed", "critical")


def test_no_raw_value_is_found_in_lake_or_zenml_store(first: PipelineRunResponse, project: Project) -> None:
    files = [path for place in (project.lake, Path(os.environ["ZENML_CONFIG_PATH"])) for path in place.rglob("*")]
    contents = {path: path.read_bytes() for path in files if path.is_file()}

    assert any(b"part-2.jsonl" in content for content in contents.values())
    assert [path for path, content in contents.items() if CANARY.encode() in content or CANARY in str(path)] == []
    assert CANARY not in str(project.alerts)


def test_the_end_of_a_day_compacts_what_its_hours_brought(first: PipelineRunResponse, project: Project) -> None:
    evening = datetime(2026, 3, 5, 20, tzinfo=UTC)

    for hour in (evening + number * HOUR for number in range(4)):
        project.upload(hour, "part-1.jsonl", purchase("someone", 1, hour))
        run = project.run(hour)

    activity = output(run, "publish", "data_snapshot").open("activity")
    assert len(activity.files([evening.date()])) == 1
    assert activity.scan(dates=[evening.date()]).collect().height == 4


def left_by(run: PipelineRunResponse) -> list[Path]:
    """Return what lies on disk because of a run: artifacts and logs."""
    steps = run.steps.values()
    artifacts = [Path(one.uri) for step in steps for versions in step.outputs.values() for one in versions]
    logs = [Path(one.uri) for step in steps for one in step.log_collection or () if one.uri]
    return [*artifacts, *(path for path in logs if path.exists())]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of what ZenML imports to list and to delete
def test_old_runs_go_at_the_end_of_a_day_with_all_that_they_left(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the second evening: on the first one it fails, and the ingestion does not."""
    settings = project.root / "configs" / "dev.yaml"
    settings.write_text(f"{settings.read_text()}\nupkeep:\n  runs_after: PT1S\n")
    evening = datetime(2026, 3, 6, 23, tzinfo=UTC)
    project.upload(evening - HOUR, "part-1.jsonl", purchase("someone", 1, evening - HOUR))
    old = Client().get_pipeline_run(project.run(evening - HOUR).id)
    gone, artifacts = left_by(old), [one.id for step in old.steps.values() for [one] in step.outputs.values()]
    assert len(gone) > 3

    def fails(*_: object, **__: object) -> None:
        raise ConnectionError("away")

    with monkeypatch.context() as patched:
        patched.setattr(Client, "delete_pipeline_run", fails)
        assert project.run(evening).status == "completed"
    assert Client().get_pipeline_run(old.id)
    new = Client().get_pipeline_run(project.run(evening + timedelta(days=1)).id)

    assert new.status == "completed"
    assert [path for path in gone if path.exists()] == []
    assert all(path.exists() for path in left_by(new))
    with pytest.raises(KeyError):
        Client().get_pipeline_run(old.id)
    for artifact in artifacts:
        with pytest.raises(KeyError):
            Client().get_artifact_version(artifact)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_an_old_run_takes_no_run_of_its_schedule_along_and_none_of_another_stack(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ZenML removes a snapshot with all of its runs, and those of a schedule share one."""
    # Given an old run, one that goes on from the same snapshot, and another stack on the same server
    client, later = Client(), datetime.now(UTC) + HOUR
    old = client.get_pipeline_run(project.run(datetime(2026, 3, 8, 10, tzinfo=UTC)).id)
    assert old.snapshot is not None
    request = PipelineRunRequest(
        project=old.project_id,
        name="younger",
        snapshot=old.snapshot.id,
        orchestrator_run_id="younger",
        status=ExecutionStatus.RUNNING,
    )
    younger, _ = client.zen_store.get_or_create_run(request)
    components = {kind: of[0].id for kind, of in client.active_stack_model.components.items()}
    other = client.create_stack("another", components)

    # When the other stack tidies up, nothing goes
    with monkeypatch.context() as patched:
        patched.setenv("ZENML_ACTIVE_STACK_ID", str(other.id))
        prune_runs(HOUR, later + HOUR)
    assert client.get_pipeline_run(old.id)

    # And when its own does, what goes on stays
    prune_runs(HOUR, later + HOUR)
    with pytest.raises(KeyError):
        client.get_pipeline_run(old.id)
    assert client.get_pipeline_run(younger.id).snapshot == old.snapshot


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_runs_that_were_killed_hold_up_no_others_and_go_once_their_processes_cannot_live(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given as many runs without an end as fit on a page, and a younger one that ended
    client, page = Client(), 3
    monkeypatch.setattr("steps.prune._MOST", page * len(HOURLY))
    prune_runs(HOUR, datetime.now(UTC) + timedelta(days=30))  # what earlier tests left
    ended = client.get_pipeline_run(project.run(datetime(2026, 3, 9, 10, tzinfo=UTC)).id)
    killed = []
    assert ended.snapshot is not None
    for number in range(page):
        name = f"killed-{number}"
        request = PipelineRunRequest(
            project=ended.project_id,
            name=name,
            snapshot=ended.snapshot.id,
            orchestrator_run_id=name,
            status=ExecutionStatus.RUNNING,
        )
        run, _ = client.zen_store.get_or_create_run(request)
        killed.append(run.id)
    younger = client.get_pipeline_run(project.run(datetime(2026, 3, 9, 11, tzinfo=UTC)).id)

    def kept() -> set[UUID]:
        return {run.id for run in client.list_pipeline_runs(size=100).items} & {ended.id, *killed, younger.id}

    # When they are old, those that ended go
    later = datetime.now(UTC) + 2 * HOUR
    prune_runs(HOUR, later)
    assert kept() == set(killed)

    # And a week later the others too, but for the one that asks
    prune_runs(HOUR, later + timedelta(days=7), own=killed[0])
    assert kept() == {killed[0]}
    prune_runs(HOUR, later + timedelta(days=7))
    assert kept() == set()


@step(enable_cache=False)
def read(artifact: str) -> None:
    Client().get_artifact_version(UUID(artifact)).load()


@pipeline(enable_cache=False)
def learn_from(artifact: str) -> None:
    read(artifact)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_what_another_run_was_given_as_input_stays_as_long_as_that_run(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a run that read what an ingestion made
    client, later = Client(), datetime.now(UTC) + 2 * HOUR
    made = client.get_pipeline_run(project.run(datetime(2026, 3, 10, 10, tzinfo=UTC)).id)
    [snapshot] = made.steps["publish"].outputs["data_snapshot"]
    [report] = made.steps["ingest"].outputs["ingest_report"]
    learned = learn_from(str(snapshot.id))
    assert learned is not None

    # When the ingestion goes, first in an upkeep that is cut short before its artifacts
    with monkeypatch.context() as patched:
        patched.setattr("steps.prune._remove_unused", lambda: 1 / 0)
        prune_runs(HOUR, later)
    with pytest.raises(KeyError):
        client.get_pipeline_run(made.id)
    assert client.get_artifact_version(report.id)
    prune_runs(HOUR, later)

    # Then what was read stays
    with pytest.raises(KeyError):
        client.get_artifact_version(report.id)
    assert client.get_artifact_version(snapshot.id).load() == snapshot.load()

    # And goes once nobody has read it
    client.delete_pipeline_run(learned.id)
    prune_runs(HOUR, later)
    with pytest.raises(KeyError):
        client.get_artifact_version(snapshot.id)
    assert not Path(snapshot.uri).exists()
