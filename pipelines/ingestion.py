"""The hourly ingestion."""

from typing import TYPE_CHECKING

from zenml import pipeline
from zenml.config.schedule import Schedule
from zenml.enums import ExecutionMode

from steps.discover import discover
from steps.ingest import ingest
from steps.publish import publish

if TYPE_CHECKING:
    from zenml.pipelines.pipeline_definition import Pipeline

HOURLY = "5 * * * *"
"""Five minutes past each hour: uploads of the hour before have settled."""


@pipeline(enable_cache=False, execution_mode=ExecutionMode.FAIL_FAST)
def ingest_activity(until: str | None = None, backfill: bool = False) -> None:
    """Take what landed in hours that have ended into the lake, and pin the result.

    Args:
        until: the run's clock as ISO 8601 time that has come; the present by default.
        backfill: what is found in hours already closed counts as having landed in time.
    """
    scan = discover(until=until)
    report = ingest(scan, backfill=backfill)
    publish(report)


def hourly_schedule() -> "Pipeline":
    """Return the pipeline bound to its schedule, for orchestrators that have schedules."""
    return ingest_activity.with_options(schedule=Schedule(name="ingest-hourly", cron_expression=HOURLY))
