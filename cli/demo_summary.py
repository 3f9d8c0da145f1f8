"""What the demo says at its end: counts that add up, versions, and where everything is."""

import json
import os
import shlex
import shutil
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from churn.errors import AccountingError
from churn.settings import Settings
from cli.demo_data import BROKEN
from cli.tables import print_table, print_totals
from cli.zen import zenml_home

if TYPE_CHECKING:
    import polars as pl

    from churn.ingestion.report import IngestReport
    from cli.demo import Story
    from cli.demo_promotion import Promoted
    from cli.demo_serving import Drilled
    from cli.demo_watch import Scored


def log_file(root: Path) -> Path:
    """Where the demo's log goes: what it does in detail would hide what it says."""
    return root / ".churn" / "logs" / "demo.jsonl"


def print_summary(settings: Settings, root: Path, *, source: str, rows: int, reports: "Sequence[IngestReport]") -> None:
    """Print the journal's counts and check that they account for every row of the source.

    Args:
        settings: where the lake is.
        root: the project.
        source: name of the data set.
        rows: rows the set has.
        reports: what this demo ingested; the rest was ingested before.

    Raises:
        AccountingError: rows are missing or were counted twice.
    """
    import polars as pl

    from churn.ingestion.journal import totals
    from churn.lake.snapshot import take_snapshot

    counts = totals(settings.lake.url).filter(pl.col("stream") != "predictions")
    new = sum(one.counts.read for report in reports for one in report.streams if one.stream != "predictions")
    typer.echo()
    print_totals(f"{source}: {rows:,} rows uploaded, {len(BROKEN)} of a broken till; {new:,} ingested just now", counts)
    _check(counts, rows)
    tables = take_snapshot(settings.lake.url).tables
    print_table("Data snapshot", ["table", "version", "rows"], [(n, t.version, t.rows) for n, t in tables.items()])
    typer.echo()
    for line in _alerts(reports):
        typer.echo(line)


def print_places(settings: Settings, root: Path, story: "Story") -> None:
    """Print where everything is and what can be done next."""
    places = _places(settings, root, story.models.cards, story.promoted) | _pages(story)
    places |= _api(story.drilled, story.scored)
    width = max(map(len, places))
    typer.echo()
    for label, where in places.items():
        typer.echo(f"{label:<{width}} {where}")


def _check(counts: "pl.DataFrame", rows: int) -> None:
    sums = counts.select("read", "appended", "duplicate", "quarantined").sum().row(0)
    read, appended, duplicate, quarantined = map(int, sums)
    uploaded = rows + len(BROKEN)
    if read != appended + duplicate + quarantined or read < uploaded:
        raise AccountingError(
            f"{uploaded:,} rows were uploaded, {read:,} read: {appended:,} appended, {duplicate:,} duplicate, "
            f"{quarantined:,} quarantined; look at churn quarantine show and start afresh with make demo-clean"
        )
    typer.echo(f"{read:,} read = {appended:,} appended + {duplicate:,} duplicate + {quarantined:,} quarantined")


def _alerts(reports: "Sequence[IngestReport]") -> list[str]:
    """Say of each kind of alert how many there were, and what the first one said."""
    alerts = [alert for report in reports for alert in report.alerts]
    kinds = Counter(alert.kind for alert in alerts)
    first = {alert.kind: alert.message for alert in reversed(alerts)}
    lines = [
        f"{'alert' if number == 1 else f'{number} alerts'} {kind}: {first[kind]}" for kind, number in kinds.items()
    ]
    return [*lines, ""] if lines else []


def _places(settings: Settings, root: Path, cards: Mapping[str, Path], promoted: "Promoted") -> dict[str, str]:
    home = zenml_home(root)
    prefix = f"ZENML_CONFIG_PATH={shlex.quote(_short(home))} "
    return {
        **_reports(settings.lake.url),
        **{f"{name.replace('_', ' ')} card": _short(card) for name, card in cards.items()},
        **({"evidence": _short(promoted.evidence[-1])} if promoted.evidence else {}),
        "log": _short(log_file(root)),
        "lake": _short(Path(settings.lake.url)),
        "dashboard": f"{prefix}{_command('zenml')} login --local",
        "MLflow": f"{_command('mlflow')} ui --host 127.0.0.1 --backend-store-uri {shlex.quote(_tracking_uri())}",
        "one more run": f"{prefix}{_command('zenml')} pipeline run pipelines.training.train_churn_model",
        "make it again": f"{_command('churn')} reproduce {promoted.version}",
        "refused rows": f"{_command('churn')} quarantine show",
        "decisions": f"{_command('churn')} versions; {_command('churn')} ledger show; {_command('churn')} status",
        "every hour": f"{_command('churn')} ingest --every 1h",
    }


def _pages(story: "Story") -> dict[str, str]:
    pages = {
        "monitoring page": story.looks[0].page if story.looks[0] else None,
        "rollout page": story.deployed.page if story.deployed else None,
        "whom to contact page": story.scored.page if story.scored else None,
        "contact list": Path(story.scored.scores.contacts.csv) if story.scored else None,
    }
    return {label: _short(page) for label, page in pages.items() if page is not None}


def _api(served: "Drilled | None", scored: "Scored | None") -> dict[str, str]:
    """Say where the API is and how all this ends."""
    stop = f"{_command('churn')} vault stop"
    if served is None:
        return {"stop": f"{stop} (all else ends by itself); make demo-clean removes everything"}
    customers = [top.customer for top in scored.scores.top[:1]] if scored else []
    asked = json.dumps({"jsonData": {"customers": customers}})
    return {
        "prediction API": f"{served.url}/docs",
        "ask it": f"curl -s {served.url}/api/v1.0/predictions -H 'content-type: application/json' -d '{asked}'",
        "rehearse again": f"{_command('churn')} drill (needs traffic); {_command('churn')} serve status",
        "stop": f"{_command('churn')} serve stop; {stop}; make demo-clean removes everything",
    }


def _tracking_uri() -> str:
    from zenml.client import Client

    tracker = Client().active_stack.experiment_tracker
    return str(getattr(tracker, "get_tracking_uri", str)())


def _command(name: str) -> str:
    """Write a command so that it can be typed here: with its folder when the environment is not activated."""
    installed = Path(sys.executable).parent / name
    return name if shutil.which(name) == str(installed) else shlex.quote(_short(installed))


def _reports(lake_url: str) -> dict[str, str]:
    """Name the pages of the run that took in most, which is the backlog, and of the newest."""
    runs = _runs(lake_url)
    if not runs:
        return {}
    backlog, newest = max(runs, key=lambda run: run[1])[0], runs[-1][0]
    pages = {"backlog report": _page(backlog)}
    if newest != backlog:
        pages["newest report"] = _page(newest)
    return {label: _short(page) for label, page in pages.items() if page is not None}


def _runs(lake_url: str) -> list[tuple[str, int]]:
    """Return id and rows read of every run that took something in, oldest first."""
    import polars as pl

    from churn.ingestion.journal import journal_url
    from churn.lake.table import open_table

    journal = open_table(journal_url(lake_url))
    if journal is None:
        return []
    rows = journal.scan(["run_id", "committed_at", "read", "status"]).collect()
    taken = rows.filter(rows["status"].is_in(["ingested", "unreadable"])).sort("committed_at")
    sums = taken.group_by("run_id", maintain_order=True).agg(pl.col("read").sum())
    return list(sums.iter_rows())


def _page(run_id: str) -> Path | None:
    """Return the page of a run's report; None when ZenML's store does not know the run."""
    from zenml.client import Client

    try:
        report = Client().get_pipeline_run(run_id).steps["ingest"].outputs["ingest_report"][0]
    except KeyError:
        return None
    pages = report.visualizations or []
    return Path(pages[0].uri) if pages else None


def _short(path: Path) -> str:
    """Write a path relative to here where that is shorter to read."""
    here = Path(os.getcwd())
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
