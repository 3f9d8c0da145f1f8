"""`churn vault`: the embedded server that holds the key on a laptop."""

from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from pathlib import Path

app = typer.Typer(help="The embedded OpenBao server (Vault API) on loopback.", no_args_is_help=True)


@app.command()
def start() -> None:
    """Start it, unseal it and make sure it holds what ingestion needs; a running one is left alone."""
    from vault.server import ensure_server

    typer.echo(ensure_server(_state()).url)


@app.command()
def stop() -> None:
    """Stop it; the next ingestion starts it again."""
    from vault.server import stop_server

    typer.echo("stopped" if stop_server(_state()) else "was not running")


@app.command()
def status() -> None:
    """Say whether it runs and where; exits with 1 unless it runs and is unsealed."""
    from vault.server import server_status

    found = server_status(_state())
    where = f" at {found.url}, process {found.pid}" if found.url else ""
    typer.echo(f"{found.status}{where}")
    if found.status != "running":
        raise typer.Exit(1)


def _state() -> "Path":
    from stacks.environment import project_root
    from vault.datakey import EMBEDDED_STATE

    return project_root() / EMBEDDED_STATE
