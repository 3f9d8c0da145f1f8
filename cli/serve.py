"""`churn serve`: the deployment of the active stack."""

import json
from typing import TYPE_CHECKING

import typer

from cli.options import JsonOption
from cli.zen import prepare_zenml
from stacks.environment import project_root

if TYPE_CHECKING:
    from seldon.deployment import Deployment
    from seldon.rollout.plan import Place

app = typer.Typer(help="The prediction API of the active stack.", no_args_is_help=True)


@app.command()
def status(as_json: JsonOption = False) -> None:
    """Show who answers: versions, weights, health, and where; exits with 1 where nothing is ready."""
    place, deployment = _active()
    observed, desired = deployment.observe(), deployment.desired()
    if as_json:
        document = {"deployment": str(place), "desired": _plain(desired), "observed": _plain(observed)}
        typer.echo(json.dumps(document, indent=1))
    elif observed is None:
        typer.echo(f"{place}: nothing runs; churn deploy VERSION, or churn serve start for what is in production")
    else:
        typer.echo(f"{place}: {_url(deployment)}")
        weight = desired.canary_weight if desired else 0
        for name, server, share in (("stable", observed.stable, 100 - weight), ("canary", observed.canary, weight)):
            if server is not None:
                how = "ready" if server.ready else "not ready"
                typer.echo(f"{name}: version {server.version}, {share} %, {how}, {server.restarts} restarts")
        if observed.fault:
            typer.secho(f"fault: {observed.fault}", fg=typer.colors.RED)
    if observed is None or not observed.ready:
        raise typer.Exit(1)


@app.command()
def start() -> None:
    """Serve what the ledger has in production; a rollout that was cut short is cleared away."""
    _, deployment = _active()
    from steps.serve_production import serve_production

    version = serve_production()
    if version is None:
        typer.echo("no version is in production; churn deploy VERSION brings one there")
        raise typer.Exit(1)
    typer.echo(f"version {version} answers at {deployment.gateway_url()}/api/v1.0/predictions")


@app.command()
def stop() -> None:
    """End every process of the deployment; churn serve start brings it back, and a rollout has to end first."""
    place, deployment = _active()
    with deployment.claimed():
        deployment.stop()
    typer.echo(f"{place}: stopped")


def _active() -> "tuple[Place, Deployment]":
    prepare_zenml(project_root(), verbosity="CRITICAL")
    from stacks.deployer import active_deployment

    return active_deployment()


def _url(deployment: "Deployment") -> str:
    from seldon.deployment import DeploymentNotReady

    try:
        return deployment.gateway_url()
    except DeploymentNotReady:
        return "no gateway"


def _plain(state: object) -> object:
    from pydantic import BaseModel

    return state.model_dump(mode="json") if isinstance(state, BaseModel) else None
