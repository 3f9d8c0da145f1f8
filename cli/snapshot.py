"""`churn snapshot`: which version every table is at."""

import typer

from cli.options import EnvironmentOption, JsonOption, settings_of


def snapshot(as_json: JsonOption = False, environment: EnvironmentOption = "dev") -> None:
    """Show the current version, rows and digest of every table."""
    from churn.lake.snapshot import take_snapshot

    taken = take_snapshot(settings_of(environment).lake.url)
    if as_json:
        typer.echo(taken.model_dump_json(indent=2))
        return
    from cli.tables import print_table

    rows = [(name, table.version, table.rows, table.digest[:16], table.uri) for name, table in taken.tables.items()]
    print_table("Data snapshot", ["table", "version", "rows", "digest", "place"], rows)
