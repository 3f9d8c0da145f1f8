"""`churn quarantine`: what was refused and why, and another try after a fix."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated
from uuid import uuid4

import typer

from cli.options import EnvironmentOption, JsonOption, settings_of, utc_now

if TYPE_CHECKING:
    import polars as pl

    from churn.ingestion.report import IngestReport

app = typer.Typer(help="Rows and objects that were refused.", no_args_is_help=True)
Reason = Annotated[str | None, typer.Option(help="Only this: a reason, or reason:column as alerts write it.")]
Object = Annotated[str | None, typer.Option("--object", metavar="SAFE_NAME", help="Only this object.")]
SHOWN = ("reason", "column", "line", "rows", "quarantined_at", "source_file")
"""The source file begins with its stream and comes last, where a long one has room."""


@app.command()
def show(
    reason: Reason = None,
    source_file: Object = None,
    limit: Annotated[int, typer.Option(min=1, help="Rows shown at most.")] = 50,
    as_json: JsonOption = False,
    environment: EnvironmentOption = "dev",
) -> None:
    """List what is in quarantine now: where it came from and why, never what stood in it."""
    import polars as pl

    from churn.ingestion.quarantine import open_rows

    rows = open_rows(settings_of(environment).lake.url, reason=reason, source_file=source_file)
    if as_json:
        typer.echo(rows.select(SHOWN).head(limit).write_json())
        return
    from cli.tables import print_table

    if rows.is_empty():
        typer.echo("nothing is in quarantine" if reason is source_file is None else "nothing in quarantine fits")
        return
    shown = rows.head(limit).with_columns(pl.col("quarantined_at").dt.strftime("%Y-%m-%d %H:%M"))
    print_table(f"Quarantine: {rows['rows'].sum():,} rows", SHOWN, shown.select(SHOWN).rows())
    print_table("By reason", ["reason", "rows"], _reasons(rows).items())
    if rows.height > limit:
        typer.echo(f"{rows.height - limit:,} more; see --limit, --reason and --object")


@app.command()
def replay(
    reason: Reason = None,
    source_file: Object = None,
    everything: Annotated[bool, typer.Option("--all", help="Try everything again.")] = False,
    environment: EnvironmentOption = "dev",
) -> None:
    """Read refused rows again from the landing zone, after the contract or the settings were mended."""
    if everything == bool(reason or source_file):
        raise typer.BadParameter("say which rows: --reason, --object, or --all")
    from churn.ingestion.ingest import Ingestion
    from churn.ingestion.quarantine import open_rows
    from cli.tables import print_report
    from stacks.environment import project_root
    from vault.datakey import key_source

    settings = settings_of(environment)
    ingestion = Ingestion(settings, key_source(settings.vault, project_root()), clock=utc_now)
    before = open_rows(settings.lake.url)
    report = ingestion.replay_quarantine(
        now=utc_now(), run_id=f"replay-{uuid4()}", reason=reason, source_file=source_file
    )
    if report.counts.appended or report.counts.duplicate:
        print_report("Replayed", report)
    else:
        typer.echo(_nothing_mended(before, report))


def _nothing_mended(before: "pl.DataFrame", report: "IngestReport") -> str:
    tried = [item for stream in report.streams for item in stream.objects]
    then = _reasons(before.filter(before["source_file"].is_in([item.source_file for item in tried])))
    now: dict[str, int] = {}
    for item in tried:
        now |= {reason: now.get(reason, 0) + rows for reason, rows in item.reasons.items()}
    why = f"the same reasons as before: {_listed(now)}"
    if now != then:
        why = f"before: {_listed(then)}; now: {_listed(now)}"
    return f"0 of {report.counts.read:,} rows mended; {why}; change the contract or the settings, then replay again"


def _reasons(rows: "pl.DataFrame") -> dict[str, int]:
    """Count quarantined rows by `reason:column`, most frequent first."""
    import polars as pl

    name = pl.concat_str("reason", "column", separator=":", ignore_nulls=True).alias("name")
    counted = rows.group_by(name).agg(pl.col("rows").sum()).sort(["rows", "name"], descending=[True, False])
    return dict(counted.iter_rows())


def _listed(reasons: Mapping[str, int]) -> str:
    return ", ".join(f"{reason} ({rows:,})" for reason, rows in reasons.items())
