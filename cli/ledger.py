"""`churn ledger`: what was decided, and whether the record still is what was entered."""

import json
from typing import Annotated

import typer

from cli.options import JsonOption, moment, utc_now
from cli.zen import prepare_zenml
from stacks.environment import project_root

app = typer.Typer(help="Decisions about models: what was decided, by whom, on what evidence.", no_args_is_help=True)


@app.command()
def show(
    at: Annotated[str | None, typer.Option(help="As it stood at this time (UTC) instead of now.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show every entry, and which version stood where."""
    until = moment(at) if at else utc_now()
    prepare_zenml(project_root(), verbosity="CRITICAL")
    from churn.ledger.standing import standing
    from steps.registry import active_ledger

    entries = [entry for entry in active_ledger().entries() if entry.at <= until]
    stands = standing(entries)
    if as_json:
        typer.echo(
            json.dumps(
                {
                    "at": until.isoformat(),
                    "stages": stands.stages,
                    "entries": [entry.model_dump(mode="json") for entry in entries],
                },
                indent=1,
            )
        )
        return
    from cli.tables import print_table

    print_table(
        f"Ledger at {until:%Y-%m-%d %H:%M} UTC",
        ["entry", "at (UTC)", "decision", "version", "stage", "by", "evidence", "bundle"],
        [
            (
                str(entry.sequence),
                f"{entry.at:%Y-%m-%d %H:%M:%S}",
                entry.decision if entry.phase == "committed" else f"{entry.decision} ({entry.phase})",
                entry.version,
                entry.stage,
                entry.actor,
                entry.evidence_digest and entry.evidence_digest[:12],
                entry.bundle_digest and entry.bundle_digest[:12],
            )
            for entry in entries
        ],
    )
    for stage in ("production", "staging"):
        holder = stands.holder(stage)
        typer.echo(f"{stage}: {f'version {holder}' if holder else 'no version'}")


@app.command()
def verify() -> None:
    """Check the chain of hashes, and the hashes noted at the versions in ZenML; exits with 1 at any fault."""
    prepare_zenml(project_root(), verbosity="CRITICAL")
    from steps.registry import active_ledger, active_registry

    ledger = active_ledger()
    count, faults = ledger.faults(active_registry().anchors(ledger))
    for fault in faults:
        typer.secho(fault.says, fg=typer.colors.RED, err=True)
    if faults:
        typer.secho(
            f"{ledger.uri}: {len(faults)} faults in {count} entries; restore it from a copy of the lake",
            fg=typer.colors.RED,
            err=True,
        )
        raise typer.Exit(1)
    typer.echo(f"{count} entries, none changed, removed, moved or put in")
