"""What the demo says at its end: counts that add up, versions, and where everything is."""

import os
import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from churn.errors import AccountingError
from churn.settings import Settings
from cli.tables import print_table, print_totals
from cli.zen import zenml_home

if TYPE_CHECKING:
    import polars as pl


def print_summary(settings: Settings, root: Path, *, source: str, rows: int, new: int) -> None:
    """Print the journal's counts and check that they account for every row of the source.

    Args:
        settings: where the lake is.
        root: the project.
        source: name of the data set.
        rows: rows the set has.
        new: rows read by this demo; the rest was ingested before.

    Raises:
        AccountingError: rows are missing or were counted twice.
    """
    from churn.ingestion.journal import totals
    from churn.lake.snapshot import take_snapshot

    counts = totals(settings.lake.url)
    typer.echo()
    print_totals(f"{source}: {rows:,} rows uploaded, {new:,} ingested just now", counts)
    _check(counts, rows)
    tables = take_snapshot(settings.lake.url).tables
    print_table("Data snapshot", ["table", "version", "rows"], [(n, t.version, t.rows) for n, t in tables.items()])
    typer.echo()
    for label, where in _places(settings, root).items():
        typer.echo(f"{label:<12} {where}")


def _check(counts: "pl.DataFrame", rows: int) -> None:
    sums = counts.select("read", "appended", "duplicate", "quarantined").sum().row(0)
    read, appended, duplicate, quarantined = map(int, sums)
    if read != appended + duplicate + quarantined or read < rows:
        raise AccountingError(
            f"{rows:,} rows were uploaded, {read:,} read: {appended:,} appended, {duplicate:,} duplicate, "
            f"{quarantined:,} quarantined; look at churn quarantine show and start afresh with make demo-clean"
        )
    typer.echo(f"{read:,} read = {appended:,} appended + {duplicate:,} duplicate + {quarantined:,} quarantined")


def _places(settings: Settings, root: Path) -> dict[str, str]:
    home = zenml_home(root)
    prefix = f"ZENML_CONFIG_PATH={shlex.quote(_short(home))} "
    report = _newest_report()
    return {
        "report": "–" if report is None else _short(report),
        "lake": _short(Path(settings.lake.url)),
        "dashboard": f"{prefix}{_command('zenml')} login --local",
        "one more run": f"{prefix}{_command('zenml')} pipeline run pipelines.ingestion.ingest_activity",
        "every hour": f"{_command('churn')} ingest --every 1h",
        "stop": f"{_command('churn')} vault stop (all else ends by itself); make demo-clean removes everything",
    }


def _command(name: str) -> str:
    """Write a command so that it can be typed here: with its folder when the environment is not activated."""
    installed = Path(sys.executable).parent / name
    return name if shutil.which(name) == str(installed) else shlex.quote(_short(installed))


def _newest_report() -> Path | None:
    """Return the page of the newest ingest report."""
    from zenml.client import Client

    found = Client().list_artifact_versions(artifact="ingest_report", sort_by="desc:created", size=1, hydrate=True)
    pages = [page.uri for artifact in found.items for page in artifact.visualizations or []]
    return Path(pages[0]) if pages else None


def _short(path: Path) -> str:
    """Write a path relative to here where that is shorter to read."""
    here = Path(os.getcwd())
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
