"""`churn deploy` and `churn rollback`: an approved version to all customers, and the way back."""

from typing import Annotated

import typer

from cli.live import shown
from cli.zen import prepare_zenml, run_here
from stacks.environment import active_settings, project_root

VersionArgument = Annotated[
    str, typer.Argument(metavar="VERSION", help="Number of the version; churn versions lists them.")
]


def deploy(version: VersionArgument) -> None:
    """Roll an approved version out: smoke test, shadow, rising weights under the judge, then production.

    Exits with 1 when the version was taken back.
    """
    prepare_zenml(project_root(), verbosity="CRITICAL")
    active_settings()
    from pipelines.deployment import deploy_model
    from seldon.rollout.outcome import RolloutOutcome

    with shown():
        run = run_here(lambda: deploy_model(version=version))
    outcome = run.steps["roll_out"].outputs["rollout"][0].load()
    assert isinstance(outcome, RolloutOutcome)
    if outcome.ending == "passed":
        typer.echo(f"version {version} is in production: {outcome.reason}")
        return
    typer.secho(f"version {version} was taken back ({outcome.ending}): {outcome.reason}", fg=typer.colors.RED, err=True)
    raise typer.Exit(1)


def rollback(
    to: Annotated[
        str | None, typer.Option(metavar="VERSION", help="Default: the last one that was in production and healthy.")
    ] = None,
) -> None:
    """Go straight back to a version that was in production; without --to a rollout that runs is ended first."""
    prepare_zenml(project_root(), verbosity="CRITICAL")
    from steps.roll_back import roll_back

    typer.echo(roll_back(to))
