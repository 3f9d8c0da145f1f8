"""`churn monitor`: one look at the model in production."""

from typing import TYPE_CHECKING, Annotated

import typer

from churn.errors import ChurnError
from cli.options import JsonOption, moment
from cli.zen import prepare_zenml, run_here
from stacks.environment import active_settings, project_root

if TYPE_CHECKING:
    from churn.monitoring.watched import Watched

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
    as_json: JsonOption = False,
) -> None:
    """Measure the model in production, say what speaks against it, and do what the settings allow."""
    clock = moment(at).isoformat() if at else None
    prepare_zenml(project_root(), verbosity="CRITICAL")
    active_settings()
    from churn.monitoring.watched import Watched
    from pipelines.monitoring import monitor_model

    run = run_here(lambda: monitor_model(at=clock))
    if "conclude" not in run.steps or run.status != "completed":
        raise MonitoringFailed(f"{run.name}: ended as {run.status}; nobody knows how the model does")
    watched = run.steps["conclude"].outputs["monitoring"][0].load()
    assert isinstance(watched, Watched)
    typer.echo(watched.model_dump_json(indent=1)) if as_json else _show(watched)


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
