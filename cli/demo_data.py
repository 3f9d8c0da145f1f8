"""The demo's data: uploaded as a real source would, and ingested."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from churn.hours import floor_hour
from churn.settings import Settings

if TYPE_CHECKING:
    from churn.ingestion.report import IngestReport
    from churn.sources.replay import Grain
    from churn.sources.source import Source

DAY = timedelta(days=1)


@dataclass
class Uploads:
    """A source on its way into the lake, one stretch of time after another.

    Attributes:
        reports: of the runs that took something in.
    """

    settings: Settings
    root: Path
    source: "Source"
    reports: "list[IngestReport]" = field(default_factory=list)
    _until: datetime | None = None

    def taken_beyond(self, moment: datetime) -> bool:
        """Tell whether an earlier demo has ingested hours after a moment."""
        closed = self._closed()
        return closed is not None and closed > moment

    def take(self, until: datetime) -> None:
        """Upload what comes before `until` and after what was taken before, and ingest it.

        Whole days are uploaded as one object each, the hours of the last day and of a stretch below a day one by one.
        """
        since = self._until
        if since is None or until - since > DAY:
            day = until.replace(hour=0)
            self._upload("day", since, day)
            self._upload("hour", day, until)
        else:
            self._upload("hour", since, until)
        self._until = until
        self._ingest(until)

    def _upload(self, per: "Grain", since: datetime | None, until: datetime) -> None:
        from churn.landing.zone import LandingZone
        from churn.sources.replay import replay

        zone = LandingZone(self.settings.landing.url)
        if replay(self.source, zone, per=per, since=since, until=until).stopped:
            raise KeyboardInterrupt

    def _ingest(self, until: datetime) -> None:
        """Run the pipeline, unless an earlier run left nothing to do."""
        from churn.ingestion.ingest import Ingestion
        from cli.ingest import run_ingestion
        from vault.datakey import key_source

        closed = self._closed()
        done = closed is not None and closed >= until
        if done and not Ingestion(self.settings, key_source(self.settings.vault, self.root)).scan(until).objects:
            return
        self.reports.append(run_ingestion(until))

    def _closed(self) -> datetime | None:
        from churn.ingestion.journal import read_stream

        return read_stream(self.settings.lake.url, "activity").closed_until


def prepare_stack(root: Path) -> None:
    """Make `root` a ZenML repository, so that `zenml` works there too, and activate the stack dev."""
    from zenml.client import Client

    from stacks.register import register_stack

    if not Client.is_repository_directory(root):
        Client.initialize(root)
    client = Client()
    client.activate_root(root)
    register_stack("dev", client)
    client.activate_stack("dev")


def open_vault(settings: Settings, root: Path) -> None:
    """Start the vault of this project if it does not run, and see that the data key can be had."""
    from vault.datakey import key_source

    key_source(settings.vault, root).data_key()


def extent(source: "Source") -> tuple[int, datetime]:
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
