"""The demo's data: uploaded as a real source would, and ingested."""

import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from churn.features.cutoffs import shortest_history
from churn.features.settings import FeatureSettings
from churn.hours import floor_hour
from churn.settings import Settings

if TYPE_CHECKING:
    from churn.ingestion.report import IngestReport
    from churn.landing.zone import LandingZone
    from churn.sources.replay import Grain
    from churn.sources.source import Source

DAY = timedelta(days=1)
BROKEN: tuple[dict[str, object], ...] = (
    {"customer_id": None, "event_type": "purchase", "amount": 11.77},
    {"customer_id": "00004", "event_type": "purchase", "amount": "about twelve"},
    {"customer_id": "00018", "event_type": "purchase", "amount": 14.96, "event_time": "2999-01-01T00:00:00Z"},
)
"""What a till sends that has lost its mind: a purchase of nobody, an amount in words, a purchase to come."""


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

    def by_day(self, until: datetime) -> None:
        """Upload what comes before `until` and was not uploaded yet: whole days at once, the last day's hours each."""
        day = until.replace(hour=0)
        self._upload("day", day)
        self._upload("hour", until)

    def by_hour(self, until: datetime) -> None:
        """Upload what comes before `until` and was not uploaded yet, each hour by itself."""
        self._upload("hour", until)

    def ingest(self, until: datetime) -> None:
        """Run the pipeline, unless an earlier run left nothing to do."""
        from churn.ingestion.ingest import Ingestion
        from cli.ingest import run_ingestion
        from vault.datakey import key_source

        closed = self._closed()
        done = closed is not None and closed >= until
        if done and not Ingestion(self.settings, key_source(self.settings.vault, self.root)).scan(until).objects:
            return
        self.reports.append(run_ingestion(until))

    def break_a_till(self, hour: datetime) -> None:
        """Upload an object whose rows are all wrong, beside what customers really bought in that hour."""
        rows = [{"event_time": f"{hour:%Y-%m-%dT%H:%M:%SZ}"} | row for row in BROKEN]
        content = "".join(f"{json.dumps(row)}\n" for row in rows).encode()
        zone = self.zone()
        if not zone.holds("activity", hour, "broken-till.jsonl", content):
            zone.write("activity", hour, "broken-till.jsonl", content)

    def zone(self) -> "LandingZone":
        """Return the landing zone."""
        from churn.landing.zone import LandingZone

        return LandingZone(self.settings.landing.url)

    def _upload(self, per: "Grain", until: datetime) -> None:
        from churn.sources.replay import replay

        if replay(self.source, self.zone(), per=per, since=self._until, until=until).stopped:
            raise KeyboardInterrupt
        self._until = until

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


@dataclass(frozen=True)
class Extent:
    """What a source covers.

    Attributes:
        first_day: midnight before its first row.
        end: of its last day.
    """

    rows: int
    first_day: datetime
    end: datetime

    def first_model(self, settings: FeatureSettings) -> datetime:
        """Return from when on there is enough to train on."""
        return self.first_day + shortest_history(settings) + DAY


def extent(source: "Source") -> Extent:
    """Read a source to its end.

    Raises:
        BadParameter: it is empty.
    """
    from churn.sources.source import UPLOADED

    rows, moments = 0, set[datetime]()
    for stream in source.streams():
        for frame in source.read(stream):
            rows += frame.height
            moments.update(one for one in (frame[UPLOADED].min(), frame[UPLOADED].max()) if isinstance(one, datetime))
    if not moments:
        raise typer.BadParameter(f"{source.name} is empty")
    return Extent(rows, _midnight(min(moments)), _midnight(max(moments)) + DAY)


def _midnight(moment: datetime) -> datetime:
    return floor_hour(moment).replace(hour=0)
