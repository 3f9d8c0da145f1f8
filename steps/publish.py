"""What a run leaves for others: pinned table versions, alerts, and figures with stable names."""

from typing import Annotated

from zenml import get_step_context, log_metadata, step

from churn.ingestion.report import IngestReport
from churn.lake.snapshot import DataSnapshot, take_snapshot
from materializers.data_snapshot import DataSnapshotMaterializer
from stacks.alerts import send_alerts
from stacks.environment import active_settings, project_root
from steps.code_version import code_version
from steps.guard import failing_closed


@step(enable_cache=False, output_materializers=DataSnapshotMaterializer)
def publish(ingest_report: IngestReport) -> Annotated[DataSnapshot, "data_snapshot"]:
    """Pin the current version of every table, send the alerts of the run and log what it was made of."""
    run = get_step_context().pipeline_run
    with failing_closed(f"{run.name} publish"):
        snapshot = take_snapshot(active_settings().lake.url)
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
