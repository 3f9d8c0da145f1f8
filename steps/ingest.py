"""From landing objects to rows in the lake."""

from typing import Annotated

from zenml import get_step_context, log_metadata, step

from churn.ingestion.alerts import alerts_for
from churn.ingestion.ingest import Ingestion
from churn.ingestion.report import IngestReport, LandingScan
from materializers.ingest_report import IngestReportMaterializer
from stacks.environment import active_settings, project_clock, project_root
from steps.guard import failing_closed
from vault.datakey import key_source


@step(enable_cache=False, output_materializers=IngestReportMaterializer)
def ingest(landing_scan: LandingScan, backfill: bool = False) -> Annotated[IngestReport, "ingest_report"]:
    """Ingest what has landed by the scan's clock, each object exactly once; a run that is too bad writes nothing."""
    run = get_step_context().pipeline_run
    with failing_closed(f"{run.name} ingest"):
        settings = active_settings()
        ingestion = Ingestion(settings, key_source(settings.vault, project_root()), clock=project_clock().now)
        report = ingestion.run(now=landing_scan.now, run_id=str(run.id), backfill=backfill)
        judged = report.model_copy(update={"alerts": tuple(alerts_for(report, settings.alerts))})
    log_metadata({f"rows_{name}": rows for name, rows in judged.counts.model_dump().items()})
    return judged
