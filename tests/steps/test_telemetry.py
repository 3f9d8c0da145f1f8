import json
from datetime import UTC, datetime, timedelta

from prometheus_client.parser import text_string_to_metric_families

from churn.ingestion.overview import LakeState, StreamState, TableState
from churn.telemetry.catalogue import METRICS, Verdict
from churn.telemetry.metric import page
from steps.overview import DecisionState, DeploymentState, LedgerHead, ModelState, Overview, TrackState
from steps.telemetry import samples, targets

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
STREAM = StreamState(
    stream="activity",
    closed_until=NOON,
    newest_time=NOON - HOUR,
    objects=3,
    read=10,
    appended=7,
    duplicate=2,
    quarantined=1,
)
DEPLOYMENT = DeploymentState(
    name="churn/churn",
    url="http://127.0.0.1:8000/seldon/churn/churn",
    tracks=(
        TrackState(track="stable", version="7", weight=75, ready=True, restarts=0, port=9001),
        TrackState(track="canary", version="8", weight=25, ready=False, restarts=2, port=9002),
    ),
    fault="the canary does not start",
)
FULL = Overview(
    environment="dev",
    at=None,
    clock=None,
    lake=LakeState(tables=(TableState(table="activity", version=4, rows=7, changed_at=NOON),), streams=(STREAM,)),
    models=(
        ModelState(
            stage="production",
            version="7",
            candidate="gradient_boosting",
            metrics={"roc_auc": 0.8},
            registered_at=NOON - 3 * HOUR,
            since=NOON - 2 * HOUR,
        ),
        ModelState(stage="staging"),
    ),
    versions=8,
    deployment=DEPLOYMENT,
    verdict=None,
    ledger=LedgerHead(sequence=12, hash="0" * 64, at=NOON, decision="deployed"),
    decisions=(DecisionState(decision="registered", committed=8, last=NOON - HOUR),),
    disagreements=("one",),
)
EMPTY = FULL.model_copy(
    update={
        "lake": LakeState(tables=(), streams=()),
        "models": (ModelState(stage="production"), ModelState(stage="staging")),
        "versions": 0,
        "deployment": None,
        "ledger": None,
        "decisions": (),
        "disagreements": (),
    }
)


def measured(seen: Overview, verdicts: dict[Verdict, datetime]) -> dict[tuple[str, ...], float]:
    """Every sample of the page, by name and values of its labels."""
    text = page(METRICS, samples(seen, verdicts, NOON, 0.5)).decode()
    found = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return {(one.name, *one.labels.values()): one.value for one in found}


def test_all_that_is_seen_is_measured_and_every_metric_has_a_sample() -> None:
    page = measured(FULL, {"OK": NOON - HOUR, "RETRAIN": NOON})

    assert {name for name, *_ in page} == {metric.name for metric in METRICS}
    assert sum(value for (name, *_), value in page.items() if name == "churn_ingest_rows") == STREAM.read
    assert page["churn_ingest_rows", "quarantined", "activity"] == 1
    assert page["churn_ingest_closed_until_timestamp_seconds", "activity"] == NOON.timestamp()
    assert page["churn_ingest_newest_row_timestamp_seconds", "activity"] == (NOON - HOUR).timestamp()
    assert page["churn_registry_trained_timestamp_seconds", "production"] == (NOON - 3 * HOUR).timestamp()
    assert page["churn_deployment_weight_ratio", "churn/churn", "canary", "8"] == 0.25
    assert page["churn_deployment_ready", "churn/churn", "canary", "8"] == 0
    assert page["churn_deployment_fault", "churn/churn"] == 1
    assert page["churn_ledger_decisions_total", "registered"] == 8


def test_only_the_last_verdict_holds_and_of_two_at_once_the_graver() -> None:
    after = measured(FULL, {"OK": NOON, "ROLLBACK": NOON - HOUR})
    at_once = measured(FULL, {"ROLLBACK": NOON, "OK": NOON})

    assert (after["churn_monitor_verdict", "OK"], after["churn_monitor_verdict", "ROLLBACK"]) == (1, 0)
    assert (at_once["churn_monitor_verdict", "OK"], at_once["churn_monitor_verdict", "ROLLBACK"]) == (0, 1)


def test_a_platform_where_nothing_happened_has_a_page_too() -> None:
    assert {name for name, *_ in measured(EMPTY, {})} == {
        "churn_registry_versions",
        "churn_disagreements",
        "churn_metrics_refreshed_timestamp_seconds",
        "churn_metrics_refresh_seconds",
    }


def test_the_servers_of_this_machine_are_targets_and_those_of_a_cluster_are_not() -> None:
    elsewhere = DEPLOYMENT.model_copy(update={"url": "https://models.example.com/seldon/churn/churn"})

    assert [one["targets"] for one in json.loads(targets(DEPLOYMENT))] == [["127.0.0.1:9001"], ["127.0.0.1:9002"]]
    assert json.loads(targets(elsewhere)) == json.loads(targets(None)) == []
