"""`churn demo`: a real data set from upload to a model that answers, on one machine."""

import os
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from churn.hours import HOUR, floor_hour
from churn.settings import Settings, load_settings
from stacks.environment import project_root

if TYPE_CHECKING:
    from churn.ingestion.report import IngestReport
    from churn.landing.zone import LandingZone
    from churn.sources.replay import Grain
    from churn.sources.source import Source

DAY = timedelta(days=1)
HOURS = 48
"""Hours at the end of the set that are uploaded and ingested one by one, as in daily use."""


def demo(
    source: Annotated[str, typer.Option(help="cdnow, online_retail, complete_journey or mapped.")] = "cdnow",
    data: Annotated[
        Path | None, typer.Option(help="Folder of the data sets (else CHURN_DATA); for mapped, the mapping file.")
    ] = None,
    hours: Annotated[int, typer.Option(min=1, help="Hours at the end of the set that are taken one by one.")] = HOURS,
    ask: Annotated[bool, typer.Option("--ask", help="Leave the approval for production to you.")] = False,
) -> None:
    """Upload a real data set, ingest it (the past at once, the last days hour by hour), train models, serve one.

    Doing it again finds everything ingested; after an interruption it goes on where it was.
    """
    root = project_root()
    try:
        _run(load_settings("dev", root), root, source, data, hours, ask=ask)
    except KeyboardInterrupt:
        typer.secho("stopped; run it again to go on from here", fg=typer.colors.YELLOW, err=True)
        raise typer.Exit(130) from None


def _run(settings: Settings, root: Path, name: str, data: Path | None, hours: int, *, ask: bool) -> None:
    from churn.landing.zone import LandingZone
    from churn.log import configure_logging
    from churn.sources.registry import open_source
    from cli.demo_models import print_models, train
    from cli.demo_promotion import print_promoted, promote_best
    from cli.demo_serving import print_served, put_behind_api, take_a_failing_canary_back
    from cli.demo_stages import shown_stages
    from cli.demo_summary import log_file, print_places, print_summary
    from cli.zen import alone_with_store, prepare_zenml

    if data and name != "mapped":
        os.environ["CHURN_DATA"] = str(data.resolve())
    source = open_source(name, data if name == "mapped" else None)
    zone = LandingZone(settings.landing.url)
    unshown = ["alert", "rolled_back"] if ask else ["alert", "rolled_back", "approval_needed"]
    configure_logging(json=False, level="warning", file=log_file(root), unshown=unshown)
    prepare_zenml(root, verbosity="CRITICAL")
    with shown_stages() as stages:
        with stages.stage("ZenML: store, repository and stack dev"), alone_with_store(root):
            _prepare_stack(root)
        with stages.stage("Vault: the data key"):
            _open_vault(settings, root)
        rows, end = _extent(source)
        start = end - hours * HOUR
        with stages.stage(f"the past until {start:%Y-%m-%d %H:%M}: upload, ingest at once"):
            day = start.replace(hour=0)
            _upload(source, zone, per="day", until=day)
            _upload(source, zone, per="hour", since=day, until=start)
            reports = [_ingest(settings, root, start)]
        with stages.stage(f"the last {hours} hours, one by one", hours) as advance:
            for closing in (start + number * HOUR for number in range(1, hours + 1)):
                _upload(source, zone, per="hour", since=closing - HOUR, until=closing)
                reports.append(_ingest(settings, root, closing))
                advance()
        with stages.stage("features and models"):
            models = train(settings)
        if not ask:
            with stages.stage("the best one to staging, and approved for production"):
                promoted = promote_best(models, ask=False)
    if ask:  # ZenML asks on the terminal too, where a bar would be in the way
        promoted = promote_best(models, ask=True)
    served = None
    if promoted.stopped is None:
        with shown_stages() as stages:
            with stages.stage("behind the prediction API, and into production"):
                deployment = put_behind_api(promoted.version)
            with stages.stage("a canary that fails on purpose, for real customers"):
                served = take_a_failing_canary_back(deployment, promoted, models)
    print_summary(settings, root, source=name, rows=rows, reports=[report for report in reports if report])
    print_models(models)
    print_promoted(promoted, typer.echo)
    if served is not None:
        print_served(served, typer.echo)
    print_places(settings, root, models.cards, promoted, served)


def _upload(
    source: "Source", zone: "LandingZone", *, per: "Grain", until: datetime, since: datetime | None = None
) -> None:
    from churn.sources.replay import replay

    if replay(source, zone, per=per, since=since, until=until).stopped:
        raise KeyboardInterrupt


def _ingest(settings: Settings, root: Path, until: datetime) -> "IngestReport | None":
    """Run the pipeline up to `until`, unless an earlier run left nothing to do."""
    from churn.ingestion.ingest import Ingestion
    from churn.ingestion.journal import read_stream
    from cli.ingest import run_ingestion
    from vault.datakey import key_source

    closed_until = read_stream(settings.lake.url, "activity").closed_until
    closed = closed_until is not None and closed_until >= until
    if closed and not Ingestion(settings, key_source(settings.vault, root)).scan(until).objects:
        return None
    return run_ingestion(until)


def _prepare_stack(root: Path) -> None:
    """Make `root` a ZenML repository, so that `zenml` works there too, and activate the stack dev."""
    from zenml.client import Client

    from stacks.register import register_stack

    if not Client.is_repository_directory(root):
        Client.initialize(root)
    client = Client()
    client.activate_root(root)
    register_stack("dev", client)
    client.activate_stack("dev")


def _open_vault(settings: Settings, root: Path) -> None:
    from vault.datakey import key_source

    key_source(settings.vault, root).data_key()


def _extent(source: "Source") -> tuple[int, datetime]:
    """Return how many rows the source has and the end of its last day."""
    from churn.sources.source import UPLOADED

    rows, last = 0, None
    for stream in source.streams():
        for frame in source.read(stream):
            rows += frame.height
            latest = frame[UPLOADED].max()
            if isinstance(latest, datetime) and (last is None or latest > last):
                last = latest
    if last is None:
        raise typer.BadParameter(f"{source.name} is empty")
    return rows, floor_hour(last).replace(hour=0) + DAY
