"""What a run leaves for others: pinned table versions, alerts, and figures with stable names."""

from datetime import UTC, datetime
from typing import Annotated

from zenml import get_step_context, log_metadata, step

from churn.ingestion.report import IngestReport
from churn.lake.snapshot import DataSnapshot, take_snapshot
from churn.lake.upkeep import upkeep
from materializers.data_snapshot import DataSnapshotMaterializer
from stacks.alerts import send_alerts
from stacks.environment import active_settings, project_root
from steps.code_version import code_version
from steps.guard import failing_closed
from steps.prune import left_to_the_next_upkeep, prune_runs
from vault.audit import roll_audit
from vault.datakey import EMBEDDED_STATE


@step(enable_cache=False, output_materializers=DataSnapshotMaterializer)
def publish(ingest_report: IngestReport) -> Annotated[DataSnapshot, "data_snapshot"]:
    """Tidy up at the end of a day, record every table's version, send the alerts and log what was done."""
    run = get_step_context().pipeline_run
    with failing_closed(f"{run.name} publish"):
        settings = active_settings()
        if ingest_report.ended_a_day:
            upkeep(settings.lake.url, settings.upkeep, ingest_report.now)
            if settings.upkeep.runs_after is not None:
                prune_runs(settings.upkeep.runs_after, datetime.now(UTC), own=run.id)
            with left_to_the_next_upkeep("audit log of the vault"):
                roll_audit(project_root() / EMBEDDED_STATE, settings.upkeep, datetime.now(UTC))
        snapshot = take_snapshot(settings.lake.url)
    sent = send_alerts(ingest_report.alerts, source=run.name)
    code = code_version(project_root())
    log_metadata(
        metadata={
            **{f"rows_{name}": rows for name, rows in ingest_report.counts.model_dump().items()},
            **{f"version_{name}": table.version for name, table in snapshot.tables.items()},
            "alerts": len(ingest_report.alerts),
            "alerts_sent": sent,
            "git_commit": code.commit,
            "git_dirty": code.dirty,
        },
        run_id_name_or_prefix=run.id,
    )
    return snapshot
