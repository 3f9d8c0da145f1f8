"""`churn deploy` and `churn rollback`: an approved version to all customers, and the way back."""

from typing import TYPE_CHECKING, Annotated

import typer

from cli.live import shown
from cli.zen import prepare_zenml, run_here
from stacks.environment import active_settings, project_root

if TYPE_CHECKING:
    from seldon.rollout.outcome import RolloutOutcome

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
    from steps.registry import active_registry

    active_registry().version(version)
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


def drill(
    failing: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Share of its requests that the canary fails.")
    ] = 0.2,
) -> None:
    """Rehearse a rollback: production's own model as a canary that fails on purpose; the judge must take it back.

    Needs traffic. Exits with 1 when nobody noticed.
    """
    prepare_zenml(project_root(), verbosity="CRITICAL")
    from steps import drill as drills

    with shown():
        outcome = drills.drill(failing)
    typer.echo(drilled(outcome))
    if outcome.ending != "rolled_back":
        raise typer.Exit(1)


def drilled(outcome: "RolloutOutcome") -> str:
    """Say how a drill ended."""
    if outcome.ending != "rolled_back":
        return f"the failing canary was not taken back by the judge ({outcome.ending}): {outcome.reason}"
    cost = outcome.cost
    if not cost.known:
        return f"the failing canary was taken back, at a cost that no record tells: {outcome.reason}"
    return (
        f"the failing canary was taken back after {cost.requests:,} requests of {cost.customers:,} customers, "
        f"{cost.failed:,} of which it failed and stable answered: {outcome.reason}"
    )
