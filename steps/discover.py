"""What waits in the landing zone."""

from typing import Annotated

from zenml import get_step_context, log_metadata, step

from churn.hours import past_moment
from churn.ingestion.ingest import Ingestion
from churn.ingestion.report import LandingScan
from stacks.environment import active_settings, project_clock, project_root
from steps.guard import failing_closed
from vault.datakey import key_source


@step(enable_cache=False)
def discover(until: str | None = None) -> Annotated[LandingScan, "landing_scan"]:
    """Count new objects of hours that have ended by `until` (ISO 8601, UTC unless it says otherwise), or by now."""
    run = get_step_context().pipeline_run
    with failing_closed(f"{run.name} discover"):
        settings = active_settings()
        present = project_clock().now()
        now = past_moment(until, present) if until else present
        scan = Ingestion(settings, key_source(settings.vault, project_root())).scan(now)
    log_metadata({"objects": scan.objects, "now": scan.now.isoformat()})
    return scan
