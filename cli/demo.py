"""`churn demo`: a real data set from upload to a model that answers, on one machine."""

import os
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING, Annotated

import typer

from churn.hours import HOUR
from churn.settings import Settings, load_settings
from cli.options import warn_of_the_past
from stacks.environment import project_root

if TYPE_CHECKING:
    from churn.ingestion.report import IngestReport
    from churn.sources.source import Source
    from cli.demo_models import Models
    from cli.demo_promotion import Promoted
    from cli.demo_serving import Deployed, Drilled
    from cli.demo_traffic import Traffic
    from cli.demo_watch import Look, Scored

HOURS = 30
"""Hours at the end of the set that are taken one by one, as in daily use; four windows of the monitoring fit in."""


def demo(
    source: Annotated[str, typer.Option(help="cdnow, online_retail, complete_journey or mapped.")] = "cdnow",
    data: Annotated[
        Path | None, typer.Option(help="Folder of the data sets (else CHURN_DATA); for mapped, the mapping file.")
    ] = None,
    hours: Annotated[
        int, typer.Option(min=1, max=24 * 28, help="Hours at the end of the set that are taken one by one.")
    ] = HOURS,
    ask: Annotated[bool, typer.Option("--ask", help="Leave the approval for production to you.")] = False,
    clean: Annotated[bool, typer.Option("--clean", help="Stop what a demo started and remove what it made.")] = False,
) -> None:
    """Upload a real data set, ingest it, train, serve; live a quarter on, see the drift, train again, roll that out.

    Doing it again finds everything ingested; after an interruption it goes on. One at a time in a folder.
    """
    root = project_root()
    if clean:
        from cli.demo_alone import clean as remove

        remove(root)
        return
    try:
        _run(load_settings("dev", root), root, source, data, hours, ask=ask)
    except KeyboardInterrupt:
        warn_of_the_past()
        typer.secho("stopped; run it again to go on from here", fg=typer.colors.YELLOW, err=True)
        raise typer.Exit(130) from None


@dataclass(frozen=True)
class Story:
    """What the demo has done.

    Attributes:
        rows: of the source.
        reports: of the ingestion runs it made.
        looks: what the monitoring said of the model in production, before the newest training and at the end.
        models: the newest comparison.
        promoted: how far the best of them came.
        deployed: how it took over; none where it went no further than its promotion.
        why_again: reasons for the second training; empty where there was none.
        drilled: how the canary that failed on purpose ended; none where nothing is in production.
        scored: every customer's score by what is in production.
    """

    rows: int
    reports: "list[IngestReport]"
    looks: "tuple[Look | None, Look | None]"
    models: "Models"
    promoted: "Promoted"
    deployed: "Deployed | None"
    why_again: tuple[str, ...]
    drilled: "Drilled | None"
    scored: "Scored | None"


def _run(settings: Settings, root: Path, name: str, data: Path | None, hours: int, *, ask: bool) -> None:
    from churn.log import configure_logging
    from churn.sources.registry import open_source
    from cli.demo_alone import alone
    from cli.demo_summary import log_file
    from cli.zen import prepare_zenml

    if data and name != "mapped":
        os.environ["CHURN_DATA"] = str(data.resolve())
    source = open_source(name, data if name == "mapped" else None)
    with alone(root):
        unshown = ["alert", "rolled_back"] if ask else ["alert", "rolled_back", "approval_needed"]
        configure_logging(json=False, level="warning", file=log_file(root), unshown=unshown)
        prepare_zenml(root, verbosity="CRITICAL")
        _show(settings, root, name, _tell(settings, root, source, hours, ask=ask))


def _show(settings: Settings, root: Path, name: str, story: Story) -> None:
    from cli.demo_models import print_models
    from cli.demo_promotion import print_promoted
    from cli.demo_serving import print_deployed, print_drilled
    from cli.demo_summary import print_places, print_summary
    from cli.demo_watch import print_look, print_scored

    print_summary(settings, root, source=name, rows=story.rows, reports=story.reports)
    before, at_the_end = story.looks
    if before is not None:
        print_look(before, typer.echo)
        typer.echo()
    print_models(story.models)
    for reason in story.why_again:
        typer.echo(f"trained a second time: {shorten(reason, 110, placeholder=' …')}")
    print_promoted(story.promoted, typer.echo)
    if story.deployed is not None:
        print_deployed(story.deployed, typer.echo)
    if story.drilled is not None:
        print_drilled(story.drilled, typer.echo)
    if story.scored is not None:
        print_scored(story.scored, typer.echo)
    if at_the_end is not None:
        print_look(at_the_end, typer.echo)
    print_places(settings, root, story)


def _tell(settings: Settings, root: Path, source: "Source", hours: int, *, ask: bool) -> Story:
    """Two models in a row, the second when one more label window is known, or as much as the set has to spare."""
    from cli.demo_data import Uploads, extent, open_vault, prepare_stack
    from cli.demo_models import reasons_to_train
    from cli.demo_past import begin_in_the_past, customers_ask, live_through
    from cli.demo_serving import take_a_failing_canary_back
    from cli.demo_stages import shown_stages
    from cli.demo_watch import look, score
    from cli.zen import alone_with_store
    from stacks.environment import project_clock

    uploads, clock = Uploads(settings, root, source), project_clock()
    asking = None
    with shown_stages() as stages:
        with stages.stage("ZenML: store, repository and stack dev"), alone_with_store(root):
            prepare_stack(root)
        with stages.stage("Vault: the data key"):
            open_vault(settings, root)
        known = extent(source)
        last = known.end - hours * HOUR
        first = max(known.end - timedelta(days=settings.features.horizon_days), known.first_model(settings.features))
        begins = first < last and not uploads.taken_beyond(first)
        if begins:
            with stages.stage(f"the past until {first:%Y-%m-%d}: upload, ingest at once"):
                begin_in_the_past(clock, first)
                uploads.by_day(first)
                uploads.ingest(first)
    if begins:
        _bring_to_production(settings, "from the past", ask=ask)
    with shown_stages() as stages:
        with stages.stage(f"what came later, until {last:%Y-%m-%d %H:%M}: upload, ingest at once"):
            clock.forward_to(last)
            uploads.by_day(last)
            uploads.ingest(last)
        if clock.behind():
            with stages.stage(f"every customer scored as of {last:%Y-%m-%d}, for those who ask"):
                asking = customers_ask()
        with stages.stage(f"the last {hours} hours, one by one", hours) as advance:
            uploads.by_hour(known.end)
            uploads.break_a_till(known.end - HOUR)
            for hour in (last + number * HOUR for number in range(hours)):
                live_through(hour, uploads, asking, clock)
                advance()
        with stages.stage("a look at the model in production"):
            before = look()
    why_again = reasons_to_train(settings)
    clock.catch_up()
    models, promoted, deployed, traffic = _bring_to_production(settings, "from all there is", ask=ask)
    drilled = scored = at_the_end = None
    if traffic is not None:
        with shown_stages() as stages:
            with stages.stage("a canary that fails on purpose, for real customers"):
                drilled = take_a_failing_canary_back(traffic)
            with stages.stage("every customer scored, and a look at the model in production"):
                scored, at_the_end = score(), look()
    looks = before, at_the_end
    return Story(known.rows, uploads.reports, looks, models, promoted, deployed, why_again, drilled, scored)


def _bring_to_production(
    settings: Settings, learned: str, *, ask: bool
) -> "tuple[Models, Promoted, Deployed | None, Traffic | None]":
    """Train, promote the best one and roll it out; what an earlier demo has done stays.

    Returns the traffic of real customers too, unless nothing is in production.
    """
    from cli.demo_models import train
    from cli.demo_promotion import promote_best
    from cli.demo_serving import roll_out, traffic_of
    from cli.demo_stages import shown_stages

    with shown_stages() as stages:
        with stages.stage(f"features and models {learned}"):
            models = train(settings)
        if not ask:
            with stages.stage("evidence and gate for the best one"):
                promoted = promote_best(models, ask=False)
    if ask:  # ZenML asks on the terminal too, where a bar would be in the way
        promoted = promote_best(models, ask=True)
    title = "the gate refused it: production stays as it is" if promoted.stopped else "into production, behind the API"
    with shown_stages() as stages, stages.stage(title):
        deployed = None if promoted.stopped else roll_out(promoted.version, models)
        return models, promoted, deployed, traffic_of(models)
