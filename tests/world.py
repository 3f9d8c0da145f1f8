"""A landing zone and a lake of their own, under a data key that lives in memory; for fixtures and child processes."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from churn.errors import KeyUnavailable
from churn.ingestion.ingest import Ingestion
from churn.ingestion.report import IngestReport, StreamReport
from churn.lake.table import open_table
from churn.landing.zone import LandingZone
from churn.privacy.keys import DataKey
from churn.settings import IngestionSettings, LakeSettings, LandingSettings, Settings

START = datetime(2026, 3, 1, 10, tzinfo=UTC)


@dataclass(frozen=True)
class FixedKey:
    """A key source without a Vault; `broken` makes it refuse."""

    broken: bool = False

    def data_key(self) -> DataKey:
        if self.broken:
            raise KeyUnavailable("vault is sealed; unseal it")
        return DataKey(b"k" * 32, "1")


@dataclass
class World:
    """What a test can do: upload objects, run the ingestion, look at the lake."""

    root: Path
    settings: Settings
    now: datetime = START + timedelta(hours=1)
    runs: int = 0
    key: FixedKey = field(default_factory=FixedKey)

    @property
    def lake(self) -> str:
        return self.settings.lake.url

    def with_ingestion(self, **changes: object) -> "World":
        ingestion = self.settings.ingestion.model_copy(update=changes)
        return World(
            self.root, self.settings.model_copy(update={"ingestion": ingestion}), self.now, self.runs, self.key
        )

    def upload(
        self,
        rows: Sequence[dict[str, object]] | bytes,
        name: str = "part-0.jsonl",
        hour: datetime = START,
        stream: str = "activity",
    ) -> None:
        data = rows if isinstance(rows, bytes) else "".join(json.dumps(row) + "\n" for row in rows).encode()
        LandingZone(self.settings.landing.url).write(stream, hour, name, data)

    def ingest(self, now: datetime | None = None, *, backfill: bool = False) -> IngestReport:
        self.runs += 1
        return self.ingestion().run(now=now or self.now, run_id=f"run-{self.runs}", backfill=backfill)

    def ingestion(self, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> Ingestion:
        return Ingestion(self.settings, self.key, clock=clock)

    def rows(self, table: str = "activity") -> pl.DataFrame:
        pinned = open_table(f"{self.lake}/{table}")
        return pl.DataFrame() if pinned is None else pinned.scan().collect()


def world_in(root: Path, **ingestion: object) -> World:
    """Make a world below `root`; nothing is refused for its share of bad rows unless `ingestion` says so."""
    return World(
        root,
        Settings(
            environment="dev",
            landing=LandingSettings(url=str(root / "landing")),
            lake=LakeSettings(url=str(root / "lake")),
            ingestion=IngestionSettings.model_validate({"max_bad_share": 1.0, **ingestion}),
        ),
    )


def make_event(number: int = 0, **changes: object) -> dict[str, object]:
    """Make a sound event; keyword arguments replace its fields, None removes one."""
    row: dict[str, object] = {
        "event_id": f"e{number}",
        "customer_id": f"c{number % 7}",
        "event_time": (START + timedelta(seconds=number % 3600)).isoformat(),
        "event_type": "purchase",
        "amount": "12.50",
    }
    return {name: value for name, value in (row | changes).items() if value is not None}


@pytest.fixture
def world(tmp_path: Path) -> World:
    return world_in(tmp_path)


@pytest.fixture
def event() -> Callable[..., dict[str, object]]:
    return make_event


def activity(report: IngestReport) -> StreamReport:
    """Return the part of a report that is about the stream of activity."""
    return next(stream for stream in report.streams if stream.stream == "activity")
