from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from churn.ingestion import journal
from churn.landing.zone import LandingZone
from churn.sources.registry import open_source
from churn.sources.replay import replay

if TYPE_CHECKING:
    from tests.world import World

TODAY = datetime(2026, 1, 1, tzinfo=UTC)


def ingested(world: "World", source: str, path: Path | None = None) -> dict[str, tuple[int, int, int, int]]:
    replay(open_source(source, path), LandingZone(world.settings.landing.url), per="day", format="csv")
    report = world.ingest(TODAY)

    assert max(stream.batches for stream in report.streams) <= 10
    return {row[0]: row[2:] for row in journal.totals(world.lake).rows()}


def test_cdnow_adds_up_to_its_69_659_purchases(world: "World") -> None:
    assert ingested(world, "cdnow") == {"activity": (69_659, 69_404, 255, 0)}


def test_online_retail_adds_up_to_its_541_909_lines(world: "World", shared_data: Path) -> None:
    archive = shared_data / "online_retail" / "by-day.tar.gz"

    # 43 of the 5,268 exact duplicates have no customer and are in quarantine with the rest of those.
    assert ingested(world, "online_retail", archive) == {"activity": (541_909, 401_604, 5_268 - 43, 135_080)}


def test_complete_journey_brings_customers_too(world: "World", shared_data: Path) -> None:
    totals = ingested(world, "complete_journey", shared_data / "complete_journey")

    assert totals == {"activity": (77_102, 77_101, 0, 1), "customers": (801, 801, 0, 0)}
