"""The monitoring pipeline on a trained project: predictions through the landing zone, verdicts into ledger and lake."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner
from zenml.client import Client

from churn.bundle.bundle import Bundle
from churn.bundle.checked import REFERENCE
from churn.contracts.model import load_contract
from churn.features.outcomes import AT, outcomes
from churn.lake.create import create_table
from churn.lake.table import open_version
from churn.ledger.changes import agree
from churn.ledger.entry import Draft
from churn.ledger.ledger import Ledger
from churn.ledger.standing import standing
from churn.monitoring.record import last_verdict
from churn.monitoring.watched import Watched
from churn.promotion.lake_data import LakeData
from churn.training.triggers import decide, look
from cli.main import app
from seldon.gateway.envoy import EnvoyMissing, executable
from stacks.deployer import active_deployment
from stacks.environment import active_settings, dbt_project
from steps.plan_rollout import opened
from steps.registry import active_ledger, active_registry
from tests.trained import Trained, configure, inside
from tests.world import World, world_in

pytestmark = [
    pytest.mark.timeout(900),  # the one training counts to whichever test comes first
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]
LIVE = datetime(1998, 2, 1, tzinfo=UTC)
SETTINGS: dict[str, object] = {
    "on_loss": "act",
    "window_hours": 6,
    "settle_hours": 0,
    "retrain_importance": 0,
    "drift": {"flagged": 2, "windows": 2, "min_rows": 50},
    "health": {"max_data_age_hours": None},
    "quality": {"days": 1, "min_rows": 20, "min_class_rows": 3, "rounds": 50},
    "examination": {"hours": None, "on_alarm": False},
}


@dataclass(frozen=True)
class Watch:
    """A lake of its own, in whose ledger one trained version has followed another."""

    world: World
    former: str
    live: str
    bundle: Bundle

    def monitor(self, at: datetime) -> Watched:
        result = CliRunner().invoke(app, ["monitor", "--at", at.isoformat(), "--json"])
        assert result.exit_code == 0, result.output
        return Watched.model_validate_json(result.stdout[result.stdout.index("{") :])

    def decisions(self) -> list[str]:
        return [entry.decision for entry in active_ledger().entries()]


@pytest.fixture
def watch(trained: Trained, tmp_path: Path) -> Iterator[Watch]:
    world = world_in(tmp_path)
    for name in ("activity", "subjects"):
        shutil.copytree(f"{trained.world.lake}/{name}", f"{world.lake}/{name}")
    configure(tmp_path, monitoring=SETTINGS, deployment={"name": "watched"})
    former, live = trained.registered.models[0], trained.registered.models[-1]
    with inside(trained.root):
        digests = standing(active_ledger().entries()).digests
    with inside(tmp_path):
        for days, version in ((10, former.version), (0, live.version)):
            entered = LIVE - timedelta(days=days)
            drafts = [
                Draft(decision="registered", actor="training", version=version, bundle_digest=digests[version]),
                Draft(decision="promoted", actor="ada", version=version, stage="production"),
            ]
            Ledger(world.lake, lambda at=entered: at).record(lambda entries, added=drafts: added)  # type: ignore[misc]
        agree(active_ledger(), active_registry())
        yield Watch(world, former.version, live.version, opened(live.version, digests[live.version]))
    with inside(trained.root):
        agree(active_ledger(), active_registry())


def features(row: dict[str, object], names: list[str]) -> dict[str, object]:
    return {name: row[name] for name in names if row[name] is not None and row[name] == row[name]}


def records(watch: Watch, frame: pl.DataFrame, at: datetime, scores: list[float]) -> list[dict[str, object]]:
    """Return what a server logs about customers whose features stand in a frame."""
    bundle = watch.bundle
    names = [feature.name for feature in bundle.manifest.catalogue]
    return [
        {
            "event_id": f"{at:%m%d%H}-{number}:stable:0",
            "request_id": f"{at:%m%d%H}-{number}",
            "row": 0,
            "customer_id": row.get("customer_id", f"cus_{number:032x}"),
            "event_time": (at + timedelta(seconds=number)).isoformat(),
            "deployment": "watched",
            "track": "stable",
            "model_version": watch.live,
            "bundle_digest": bundle.digest,
            "features": features(row, names),
            "score": float(score),
            "contacted": bool(score >= bundle.manifest.threshold),
            "latency_ms": 1.5,
        }
        for number, (row, score) in enumerate(zip(frame.iter_rows(named=True), scores, strict=True))
    ]


def two_windows(watch: Watch, frame: pl.DataFrame, start: datetime) -> datetime:
    """Land and ingest the same customers in two windows; returns their end."""
    scores = list(watch.bundle.predict(frame))
    for hours in (1, 7):
        at = start + timedelta(hours=hours)
        watch.world.upload(records(watch, frame, at, scores), f"watched-{hours}.jsonl", at, "predictions")
    end = start + timedelta(hours=12)
    watch.world.ingestion(clock=lambda: end).run(now=end, run_id="predictions", backfill=True)
    return end


def reference(watch: Watch) -> pl.DataFrame:
    return pl.read_parquet(watch.bundle.path / REFERENCE)


def test_customers_as_the_model_knows_them_change_nothing(watch: Watch) -> None:
    # CDNOW's customers age together: their scores at the test differ from those of the training rows used here.
    wide = {**SETTINGS, "drift": {"flagged": 2, "windows": 2, "min_rows": 50, "min_effect": 0.99}}
    configure(watch.world.root, monitoring=wide, deployment={"name": "watched"})
    end = two_windows(watch, reference(watch), datetime(2026, 1, 5, tzinfo=UTC))
    before = watch.decisions()

    watched = watch.monitor(end)
    again = watch.monitor(end)

    assert [finding.name for finding in watched.verdict.findings if finding.decision in ("RETRAIN", "ROLLBACK")] == []
    assert len(watched.measurement.windows) == 2
    assert watched.measurement.windows[0].traffic.customers == 200
    assert again.measurement.windows == watched.measurement.windows
    assert watch.decisions() == before
    kept = watch.world.rows("monitoring")
    assert sorted(kept["kind"]) == ["outcomes", "verdict", "window", "window"]


def test_drift_is_told_and_once_that_is_allowed_calls_for_training_which_the_trigger_sees(watch: Watch) -> None:
    ask = {**SETTINGS, "on_retrain": "ask"}
    drifted = reference(watch).with_columns(recency_days=pl.lit(160.0), tenure_days=pl.lit(200.0))
    end = two_windows(watch, drifted, datetime(2026, 1, 5, tzinfo=UTC))
    before = watch.decisions()

    configure(watch.world.root, monitoring=ask, deployment={"name": "watched"})
    asked = watch.monitor(end)
    assert (asked.verdict.decision, asked.deed.kind) == ("RETRAIN", "asked")
    assert "recency_days" in asked.verdict.finding("features").says
    assert watch.decisions() == before

    configure(watch.world.root, monitoring=SETTINGS, deployment={"name": "watched"})
    entered, again = (watch.monitor(end + timedelta(hours=hours)) for hours in (1, 2))
    assert entered.deed.kind == "retrain"
    assert again.verdict.decision == "RETRAIN"
    assert again.deed.says == "training was called for before"
    assert watch.decisions() == [*before, "retrain"]
    settings = active_settings()
    known = look(
        watch.world.lake, active_ledger().entries(), settings.features, dbt_dir=dbt_project(), now=datetime.now(UTC)
    )
    need = decide(known, settings.triggers.model_copy(update={"every_hours": None, "min_new_labels": None}), end)
    assert need.decision == "train"
    assert "features drifted" in need.reasons[0]


def test_a_proven_loss_brings_the_version_before_back(watch: Watch) -> None:
    """The live version contacted exactly those who stayed."""
    try:
        executable()
    except EnvoyMissing as error:
        pytest.skip(str(error))
    bundle = watch.bundle
    tested = LakeData(watch.world.lake).rows(bundle.manifest.lineage)
    asked = datetime.combine(bundle.manifest.lineage.cutoffs.test, datetime.min.time(), UTC) - timedelta(hours=1)
    scores = [0.0 if churned else 1.0 for churned in tested["churned"]]
    contract = load_contract("predictions")
    rows = pl.DataFrame(
        [row | {"features": json.dumps(row["features"])} for row in records(watch, tested, asked, scores)]
    ).with_columns(pl.col("event_time").str.to_datetime(time_zone="UTC"))
    rows = rows.with_columns(event_date=pl.col("event_time").dt.date(), available_at=pl.col("event_time"))
    table = create_table(
        f"{watch.world.lake}/predictions", contract.schema, name="predictions", partition_by="event_date"
    )
    missing = [pl.lit(None, kind).alias(name) for name, kind in contract.schema.items() if name not in rows.columns]
    table.append(rows.with_columns(missing).select(contract.schema.names()).cast(contract.schema), fence="ingest")
    try:
        watched = watch.monitor(datetime(1998, 6, 2, tzinfo=UTC))
    finally:
        active_deployment()[1].stop()

    assert watched.verdict.decision == "ROLLBACK"
    assert watched.verdict.finding("previous").decision == "ROLLBACK"
    assert watched.verdict.finding("outcomes").decision == "RETRAIN"
    assert watched.deed.kind == "rollback", watched.deed.says
    assert standing(active_ledger().entries()).holder("production") == watch.former
    entry = active_ledger().entries()[-1]
    assert (entry.decision, entry.actor, entry.evidence_digest) == (
        "rolled_back",
        "churn",
        watched.verdict.evidence_digest,
    )
    assert "a proven loss" in entry.facts["why"]
    newest = last_verdict(watch.world.lake)
    assert newest is not None
    assert newest.decision == "ROLLBACK"


@pytest.mark.slow
def test_an_alarm_is_examined_by_evidently_once_a_window_and_kept_in_mlflow(watch: Watch) -> None:
    examined = {**SETTINGS, "examination": {"hours": None, "on_alarm": True}}
    configure(watch.world.root, monitoring=examined, deployment={"name": "watched"})
    importance = {one.feature: one.auc_loss for one in watch.bundle.manifest.importance}
    numeric = [feature.name for feature in watch.bundle.manifest.catalogue if feature.kind == "numeric"]
    leading = max(numeric, key=importance.__getitem__)
    drifted = reference(watch).with_columns(pl.col(leading).max() * 3 + 100)
    end = two_windows(watch, drifted, datetime(2026, 1, 5, tzinfo=UTC))

    first = watch.monitor(end).verdict
    page = Client().get_pipeline("monitor_model").last_run.steps["examine_model"].outputs["evidently_drift"][0].load()
    again = watch.monitor(end + timedelta(hours=1)).verdict

    assert first.examination.at == end
    assert first.examination.customers == 400
    assert f"Value Drift for column {leading}" in {test.name for test in first.examination.shown}
    assert again.examination == first.examination
    assert len(page) > 100_000
    assert "plotly" in page.lower()
    import mlflow

    [kept] = mlflow.search_runs(experiment_names=["monitor_model"], output_format="list")
    assert (kept.data.tags["version"], kept.data.tags["environment"]) == (watch.live, "dev")
    assert [item.path for item in mlflow.MlflowClient().list_artifacts(kept.info.run_id, "evidently")] == [
        "evidently/drift.html"
    ]
    assert not Path("mlruns").exists()


def test_without_a_version_in_production_there_is_nothing_to_watch(watch: Watch) -> None:
    result = CliRunner().invoke(app, ["monitor", "--at", "1997-01-01T00:00"])

    assert result.exit_code == 1
    assert "no version was in production at 1997-01-01 00:00 UTC" in result.output.replace("\n", " ")


def test_the_label_at_a_midnight_is_the_one_dbt_gives(watch: Watch, trained: Trained) -> None:
    manifest = watch.bundle.manifest
    settings, cutoffs = manifest.lineage.feature_settings, manifest.lineage.cutoffs
    features = LakeData(trained.world.lake).rows(manifest.lineage)
    midnight = datetime.combine(cutoffs.test, datetime.min.time(), UTC)
    asked = features.select("customer_id", pl.lit(midnight).cast(pl.Datetime("us", "UTC")).alias(AT))

    found = outcomes(
        asked, open_version(f"{watch.world.lake}/activity"), None, settings, known_at=datetime(1998, 6, 2, tzinfo=UTC)
    )

    assert found["churned"].to_list() == features["churned"].to_list()
    assert 0 < found["churned"].sum() < found.height
