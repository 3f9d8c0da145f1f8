"""`churn replay`: upload a data set the way a real uploader would."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from cli.options import EnvironmentOption, moment, settings_of


def replay(
    source: Annotated[str, typer.Option(help="cdnow, online_retail, complete_journey or mapped.")] = "cdnow",
    path: Annotated[Path | None, typer.Option(help="Where the set lies; for `mapped`, the mapping file.")] = None,
    landing: Annotated[
        str | None, typer.Option(help="Folder or URL of the landing zone; by default the environment's.")
    ] = None,
    since: Annotated[str | None, typer.Option("--from", help="Leave out upload hours before this time (UTC).")] = None,
    until: Annotated[str | None, typer.Option("--until", help="Leave out upload hours from this time on.")] = None,
    format: Annotated[
        Literal["jsonl", "jsonl.gz", "csv", "csv.gz", "parquet"], typer.Option(help="Format of the objects.")
    ] = "jsonl.gz",
    per: Annotated[
        Literal["hour", "day"], typer.Option(help="One object per hour, or per day in its hour 23.")
    ] = "hour",
    speed: Annotated[
        float | None, typer.Option(min=0.001, help="Seconds of data that pass in one second; by default all at once.")
    ] = None,
    environment: EnvironmentOption = "dev",
) -> None:
    """Write a data set into the landing zone as hourly objects; a rerun leaves identical objects alone."""
    from churn.landing.zone import LandingZone
    from churn.settings import absolute_url, known_place
    from churn.sources.registry import open_source
    from churn.sources.replay import replay as upload

    first, end = moment(since) if since else None, moment(until) if until else None
    if first and end and first >= end:
        raise typer.BadParameter(f"{until} does not come after --from {since}", param_hint="--until")
    try:
        zone = (
            settings_of(environment).landing.url if landing is None else absolute_url(known_place(landing), Path.cwd())
        )
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--landing") from None
    report = upload(
        open_source(source, path),
        LandingZone(zone),
        per=per,
        since=first,
        until=end,
        format=format,
        speed=speed,
    )
    hours = f", {report.first_hour:%Y-%m-%d %H:%M} to {report.last_hour:%Y-%m-%d %H:%M}" if report.objects else ""
    typer.echo(
        f"{report.objects:,} objects with {report.rows:,} rows in {zone} "
        f"({report.unchanged:,} were there already){hours}"
    )
    if report.stopped:
        raise typer.Exit(130)
