"""`churn monitor`: a look at the model in production, now, every hour, or on the orchestrator's schedule."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from churn.errors import ChurnError
from churn.log import get_logger
from cli.every import go_on, period_of
from cli.options import JsonOption, moment
from cli.schedule import hand_over
from cli.zen import prepare_zenml, run_here
from stacks.environment import active_settings, project_root

if TYPE_CHECKING:
    from churn.monitoring.watched import Watched

log = get_logger(__name__)
LAG = timedelta(minutes=20)
"""Past each period, so that the hour before has been ingested."""
_COLOURS = {
    "OK": typer.colors.GREEN,
    "WATCH": typer.colors.YELLOW,
    "RETRAIN": typer.colors.MAGENTA,
    "ROLLBACK": typer.colors.RED,
}


class MonitoringFailed(ChurnError):
    """The monitoring pipeline ended without a verdict."""


def monitor(
    at: Annotated[
        str | None, typer.Option(metavar="TIME", help="The run's clock, an ISO 8601 time that has come; default: now.")
    ] = None,
    every: Annotated[str | None, typer.Option(help="Go on, twenty minutes past every such period: 1h, 1d.")] = None,
    schedule: Annotated[bool, typer.Option("--schedule", help="Hand the hourly look to the orchestrator.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Measure the model in production, say what speaks against it, and do what the settings allow."""
    if sum((every is not None, at is not None, schedule)) > 1:
        raise typer.BadParameter("--every, --at and --schedule exclude one another")
    period = period_of(every) if every else None
    clock = moment(at) if at else None
    prepare_zenml(project_root(), verbosity="CRITICAL")
    active_settings()
    if schedule:
        from pipelines.monitoring import hourly_schedule

        hand_over(hourly_schedule, when="twenty minutes past every hour", instead="churn monitor --every 1h")
    elif period:
        go_on(_noted, name="monitor", period=period, lag=LAG)
    else:
        watched = look(clock)
        typer.echo(watched.model_dump_json(indent=1)) if as_json else _show(watched)


def look(at: datetime | None = None) -> "Watched":
    """Run the pipeline in this process and return what it found.

    Raises:
        MonitoringFailed: it ended without a verdict.
    """
    from churn.monitoring.watched import Watched
    from pipelines.monitoring import monitor_model

    clock = at.isoformat() if at else None
    run = run_here(lambda: monitor_model(at=clock))
    if "conclude" not in run.steps or run.status != "completed":
        raise MonitoringFailed(f"{run.name}: ended as {run.status}; nobody knows how the model does")
    watched = run.steps["conclude"].outputs["monitoring"][0].load()
    assert isinstance(watched, Watched)
    return watched


def _noted(at: datetime) -> None:
    verdict = look(at).verdict
    log.info("monitored", at=at, version=verdict.version, decision=verdict.decision, reason=verdict.reason)


def _show(watched: "Watched") -> None:
    verdict = watched.verdict
    head = f"version {verdict.version} at {verdict.deployment}: {verdict.decision}"
    typer.secho(head, fg=_COLOURS[verdict.decision], bold=True)
    for finding in verdict.findings:
        typer.secho(f"  {finding.decision:8} {finding.name:11} ", fg=_COLOURS[finding.decision], nl=False)
        typer.echo(finding.says)
    if (partial := watched.measurement.partial) is not None:
        typer.echo(
            f"  partial, not judged: {partial.traffic.rows:,} predictions since {partial.start:%Y-%m-%d %H:%M} UTC"
        )
    for doubt in watched.measurement.doubts:
        typer.echo(f"  note: {doubt}")
    if watched.deed.kind != "none":
        typer.echo(f"done: {watched.deed.says}" if watched.deed.kind in ("retrain", "rollback") else watched.deed.says)
