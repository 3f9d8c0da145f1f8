"""The light look at the live model, each hour."""

from typing import Annotated

from zenml import get_step_context, log_metadata, step

from churn.hours import parse_moment
from churn.monitoring.measurement import Measurement, measure
from churn.monitoring.record import known_before
from materializers.monitor import MeasurementMaterializer
from stacks.environment import active_settings, project_clock
from steps.guard import failing_closed
from steps.live_model import live_model


@step(enable_cache=False, output_materializers={"measurement": MeasurementMaterializer})
def measure_model(at: str | None = None) -> Annotated[Measurement, "measurement"]:
    """Measure the version in production: drift, traffic, data and outcomes.

    Args:
        at: the run's clock as ISO 8601 time that has come; the present by default.

    Raises:
        NothingLive: no version is in production.
    """
    run = get_step_context().pipeline_run
    with failing_closed(f"{run.name} measure_model", "monitoring_failed"):
        moment = parse_moment(at) if at else project_clock().now()
        settings, live = active_settings(), live_model(moment)
        known = known_before(
            settings.lake.url,
            deployment=live.place,
            version=live.version,
            digest=live.bundle.digest,
            since=live.since,
        )
        found = measure(live, known, lake_url=settings.lake.url, at=moment, settings=settings.monitoring)
    log_metadata({"version": found.version, "complete_windows": len(found.windows)})
    return found
