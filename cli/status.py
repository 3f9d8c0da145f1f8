"""`churn status` and `churn repair`: the platform on one screen, and making its parts agree."""

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from churn.hours import parse_moment
from cli.options import JsonOption, utc_now
from cli.zen import prepare_zenml
from stacks.environment import project_root

if TYPE_CHECKING:
    from steps.overview import DeploymentState, ModelState, Overview


def status(
    as_json: JsonOption = False,
    at: Annotated[
        str | None, typer.Option(metavar="TIME", help="How it was then (ISO 8601, UTC unless it says otherwise).")
    ] = None,
) -> None:
    """Show lake, models, deployment and ledger, and what disagrees; exits with 1 where something does."""
    prepare_zenml(project_root(), verbosity="CRITICAL")
    from steps.overview import overview

    seen = overview(_past(at) if at else None)
    if as_json:
        typer.echo(seen.model_dump_json(indent=1))
    else:
        _print(seen)
    if seen.disagreements:
        raise typer.Exit(1)


def _past(text: str) -> datetime:
    try:
        moment = parse_moment(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no ISO 8601 time, such as 2026-03-01T10:00", param_hint="--at") from None
    if moment > utc_now():
        raise typer.BadParameter(f"{text} has not come yet", param_hint="--at")
    return moment


def _print(seen: "Overview") -> None:
    from cli.tables import print_table

    when = f"at {_minute(seen.at)} UTC" if seen.at else "now"
    print_table(
        f"Lake of {seen.environment}, {when}",
        ["table", "version", "rows", "changed"],
        [(table.table, table.version, table.rows, _minute(table.changed_at)) for table in seen.lake.tables],
    )
    for stream in seen.lake.streams:
        typer.echo(
            f"{stream.stream}: read through {_minute(stream.closed_until)}, newest row {_minute(stream.newest_time)}; "
            f"{stream.read:,} read = {stream.appended:,} appended + {stream.duplicate:,} duplicate + "
            f"{stream.quarantined:,} quarantined"
        )
    typer.echo()
    for model in seen.models:
        typer.echo(f"{model.stage}: {_model(model, seen.at or utc_now())}")
    for line in _deployment(seen.deployment):
        typer.echo(line)
    if seen.verdict is not None:
        said = seen.verdict
        typer.echo(f"monitoring: {said.decision}, version {said.version} at {_minute(said.at)}: {said.reason}")
    head = seen.ledger
    last = f", head {head.hash[:12]}, {head.decision} {_minute(head.at)}" if head else ""
    typer.echo(f"ledger: {head.sequence if head else 0} entries{last}; {seen.versions} versions")
    if seen.clock is not None:
        typer.echo(
            f"clock: it is {_minute(seen.clock)} UTC here, a demo lives through the past; make demo goes on with it"
        )
    for line in seen.disagreements:
        typer.secho(f"disagrees: {line}", fg=typer.colors.RED)
    if seen.disagreements:
        typer.echo("to mend it: churn repair")


def _model(model: "ModelState", now: datetime) -> str:
    if model.version is None:
        return "no version"
    kind = (model.candidate or "missing in ZenML").replace("_", " ")
    figures = "".join(f", {name.replace('_', ' ')} {value:.3f}" for name, value in model.metrics.items())
    age = "" if model.registered_at is None else f", trained {_ago(model.registered_at, now)} ago"
    since = f", here since {_minute(model.since)}" if model.since else ""
    return f"version {model.version} ({kind}){figures}{age}{since}"


def _deployment(state: "DeploymentState | None") -> Iterator[str]:
    if state is None:
        return
    if not state.tracks:
        yield f"deployment {state.name}: nothing runs"
        return
    yield f"deployment {state.name}: {state.url or 'no gateway'}"
    for track in state.tracks:
        how = "ready" if track.ready else "not ready"
        yield f"  {track.track}: version {track.version}, {track.weight} %, {how}, {track.restarts} restarts"
    if state.fault:
        yield f"  fault: {state.fault}"


def _minute(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M}" if moment else "–"


def _ago(moment: datetime, now: datetime) -> str:
    hours = (now - moment).total_seconds() / 3600
    return f"{hours / 24:.0f} d" if hours >= 48 else f"{max(hours, 0):.0f} h"


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
