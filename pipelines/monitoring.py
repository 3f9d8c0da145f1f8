"""The hourly look at the model in production."""

from typing import TYPE_CHECKING

from zenml import pipeline
from zenml.config.schedule import Schedule
from zenml.enums import ExecutionMode

from steps.conclude import conclude
from steps.examine_model import examine_model
from steps.measure_model import measure_model

if TYPE_CHECKING:
    from zenml.pipelines.pipeline_definition import Pipeline

HOURLY = "20 * * * *"
"""Twenty minutes past each hour: after the ingestion of the hour before."""


@pipeline(enable_cache=False, execution_mode=ExecutionMode.FAIL_FAST)
def monitor_model(at: str | None = None) -> None:
    """Measure the version in production, examine it where that is due, and act on the verdict.

    Args:
        at: the run's clock as ISO 8601 time that has come; the present by default.
    """
    measurement = measure_model(at=at)
    examination, _, _ = examine_model(measurement)
    conclude(measurement, examination)


def hourly_schedule() -> "Pipeline":
    """Return the pipeline bound to its schedule, for orchestrators that have schedules."""
    return monitor_model.with_options(schedule=Schedule(name="monitor-hourly", cron_expression=HOURLY))
