"""`churn status` and `churn repair`: do ZenML, MLflow and the deployment agree with the ledger, and making them."""

import json

import typer

from cli.options import JsonOption
from cli.zen import prepare_zenml
from stacks.environment import project_root


def status(as_json: JsonOption = False) -> None:
    """Show which version stands where and what disagrees; exits with 1 where something does."""
    prepare_zenml(project_root(), verbosity="CRITICAL")
    from churn.ledger.agreement import disagreements
    from churn.ledger.standing import standing
    from steps.registry import active_ledger, active_registry
    from steps.serve_production import unserved

    entries = active_ledger().entries()
    stands = standing(entries)
    found = (*disagreements(stands, active_registry().observe(active_ledger())), *unserved())
    live = {stage: stands.holder(stage) for stage in ("production", "staging")}  # type: ignore[arg-type]
    if as_json:
        head = {"sequence": entries[-1].sequence, "hash": entries[-1].hash} if entries else None
        typer.echo(json.dumps({"stages": live, "ledger": head, "disagreements": found}, indent=1))
    else:
        for stage, version in live.items():
            typer.echo(f"{stage}: {f'version {version}' if version else 'no version'}")
        typer.echo(f"ledger: {len(entries)} entries{f', head {entries[-1].hash[:12]}' if entries else ''}")
        for line in found:
            typer.secho(f"disagrees: {line}", fg=typer.colors.RED)
        if found:
            typer.echo("to mend it: churn repair")
    if found:
        raise typer.Exit(1)


def repair() -> None:
    """Finish what was cut short, and make ZenML, MLflow and the deployment agree with the ledger.

    Exits with 1 where that cannot be done.
    """
    prepare_zenml(project_root(), verbosity="CRITICAL")
    from churn.ledger.agreement import disagreements
    from churn.ledger.changes import agree, settle
    from churn.ledger.standing import standing
    from stacks.environment import active_settings
    from steps.registration import discard_abandoned
    from steps.registry import active_ledger, active_registry
    from steps.serve_production import serve_production, unserved

    ledger, registry = active_ledger(), active_registry()
    before = disagreements(standing(ledger.entries()), registry.observe(ledger))
    ended = (*discard_abandoned(ledger, registry, active_settings().lake.url), *settle(ledger, registry))
    agree(ledger, registry)
    left = disagreements(standing(ledger.entries()), registry.observe(ledger))
    for entry in ended:
        what = f" version {entry.version} to {entry.stage}" if entry.version else ""
        typer.echo(f"entry {entry.change}: {entry.decision}{what} is {entry.phase} now")
    for line in before:
        if line not in left:
            typer.echo(f"mended: {line}")
    for line in left:
        typer.secho(f"cannot be mended here: {line}", fg=typer.colors.RED, err=True)
    if left:
        raise typer.Exit(1)
    served_otherwise = unserved()
    if served_otherwise:
        serve_production()
        for line in served_otherwise:
            typer.echo(f"mended: {line}")
    if not before and not served_otherwise:
        typer.echo("ledger, ZenML, MLflow and the deployment agree")
