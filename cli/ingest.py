"""`churn ingest`: the ingestion pipeline now, every hour, or on the orchestrator's schedule."""

import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from churn.errors import ChurnError
from churn.hours import past_moment
from churn.log import get_logger
from churn.settings import Environment, load_settings
from cli.every import go_on, period_of
from cli.options import utc_now, warn_of_the_past
from cli.schedule import hand_over
from cli.zen import prepare_zenml, run_here, use_stack
from stacks.environment import active_settings, project_root

if TYPE_CHECKING:
    from churn.ingestion.report import IngestReport

log = get_logger(__name__)
LAG = timedelta(minutes=5)


def ingest(
    every: Annotated[str | None, typer.Option(help="Go on, five minutes past every such period: 1h, 30m, 1d.")] = None,
    until: Annotated[
        str | None, typer.Option(help="Take hours that ended by this time (UTC) instead of by now.")
    ] = None,
    backfill: Annotated[
        bool, typer.Option("--backfill", help="What lies in hours already closed counts as having landed in time.")
    ] = False,
    schedule: Annotated[bool, typer.Option("--schedule", help="Hand the hourly run to the orchestrator.")] = False,
    environment: Annotated[
        Environment | None, typer.Option("--environment", "-e", help="Use this stack instead of the active one.")
    ] = None,
) -> None:
    """Take what has landed into the lake, through the ZenML pipeline."""
    if sum((every is not None, until is not None, schedule)) > 1:
        raise typer.BadParameter("--every, --until and --schedule exclude one another")
    period = period_of(every) if every else None
    at = _past(until) if until else None
    _check_settings(project_root(), environment)
    warn_of_the_past()
    prepare_zenml(project_root(), verbosity="CRITICAL")
    if environment:
        use_stack(environment)
    active_settings()
    if schedule:
        from pipelines.ingestion import hourly_schedule

        hand_over(hourly_schedule, when="five minutes past every hour", instead="churn ingest --every 1h")
    elif period:
        go_on(lambda now: run_ingestion(now, backfill=backfill), name="ingest", period=period, lag=LAG)
    else:
        run_ingestion(at or utc_now(), backfill=backfill)


def run_ingestion(until: datetime, *, backfill: bool = False) -> "IngestReport":
    """Run the pipeline in this process, log one line about it and return its report.

    Raises:
        ChurnError: the run failed closed.
        KeyboardInterrupt: a person or the system stopped it.
    """
    from churn.ingestion.report import IngestReport
    from pipelines.ingestion import ingest_activity

    started = time.monotonic()
    run = run_here(lambda: ingest_activity(until=until.isoformat(), backfill=backfill))
    report = run.steps["ingest"].outputs["ingest_report"][0].load()
    assert isinstance(report, IngestReport)
    seconds = round(time.monotonic() - started, 1)
    log.info("ingested", until=until, **report.counts.model_dump(), alerts=len(report.alerts), seconds=seconds)
    return report


def _past(text: str) -> datetime:
    try:
        return past_moment(text, utc_now())
    except ChurnError as error:
        raise typer.BadParameter(str(error), param_hint="--until") from None


def _check_settings(root: Path, environment: Environment | None) -> None:
    """Refuse settings that are broken before ZenML takes its seconds to start.

    Which environment is the active one only ZenML knows: without a name every file that is there must be sound.
    """
    there = sorted(path.stem for path in (root / "configs").glob("*.yaml"))
    for name in [environment] if environment else there or ["dev"]:
        load_settings(name, root)
