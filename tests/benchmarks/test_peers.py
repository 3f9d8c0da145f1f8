from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from benchmarks import ours
from benchmarks.generate import FORMATS, Format, Plan, write
from benchmarks.peers import duckdb_job, floor, pandas_job
from benchmarks.peers.job import Counted

PLAN = Plan(events=20_000, customers=500, hours=30, seed=7)
EXPECTED = Counted(read=20_000, appended=19_960, duplicate=20, quarantined=20)


@pytest.fixture(scope="module", params=FORMATS)
def landing(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Format, Path]:
    form: Format = request.param
    zone = tmp_path_factory.mktemp("landing")
    write(PLAN, form, zone)
    return form, zone


def stored(lake: Path) -> pl.DataFrame:
    return pl.concat(
        pl.read_parquet(path, hive_partitioning=False).select("event_id", "customer_id", "device_id", "amount")
        for path in lake.glob("activity/event_date=*/*.parquet")
    )


def test_ours_finds_the_dirt_that_was_put_in(landing: tuple[Format, Path], tmp_path: Path) -> None:
    _, zone = landing

    report = ours.ingestion(zone, tmp_path).run(now=PLAN.end, run_id="test")

    assert ours.counted(report) == EXPECTED
    reasons = next(stream.reasons for stream in report.streams if stream.stream == "activity")
    assert sum(rows for reason, rows in reasons.items() if reason.endswith(":customer_id")) == PLAN.without_customer
    assert sum(rows for reason, rows in reasons.items() if reason.endswith(":amount")) == PLAN.broken_amounts


@pytest.mark.parametrize("peer", [pandas_job.ingest, duckdb_job.ingest], ids=["pandas", "duckdb"])
def test_a_peer_keeps_the_same_rows_as_ours(
    landing: tuple[Format, Path], tmp_path: Path, peer: Callable[[str, Path, Path], Counted]
) -> None:
    form, zone = landing
    ours.ingest(form, zone, tmp_path / "ours")
    kept = stored(tmp_path / "ours").sort("event_id")

    counted = peer(form, zone, tmp_path / "peer")

    assert counted == EXPECTED
    theirs = stored(tmp_path / "peer").sort("event_id")
    assert theirs["event_id"].equals(kept["event_id"])
    assert theirs["amount"].equals(kept["amount"])
    for name, prefix in (("customer_id", "cus_"), ("device_id", "tok_")):
        assert theirs[name].str.contains(f"^{prefix}[0-9a-f]{{32}}$").all()
        assert theirs[name].n_unique() == kept[name].n_unique()


def test_the_floor_copies_every_row(landing: tuple[Format, Path], tmp_path: Path) -> None:
    form, zone = landing

    counted = floor.copy(form, zone, tmp_path / "floor")

    assert counted == Counted(read=20_000, appended=20_000)
