"""What is in quarantine: the bad rows of the content that lies in the landing zone now."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from churn.contracts import Contract
from churn.ingestion import quarantine
from churn.ingestion.journal import totals
from churn.ingestion.pieces import Piece, decoded
from churn.ingestion.report import Counts
from churn.lake.table import open_version
from churn.settings import LandingSettings
from tests.world import START, World, make_event

LATER = START + timedelta(hours=2)


def the_object(world: World) -> Path:
    return next((world.root / "landing").rglob("part-0.jsonl"))


@pytest.mark.parametrize("etag", ["new", "old"])
def test_bad_rows_that_a_correction_closed_are_there_again_when_the_old_content_comes_back(
    world: World, etag: str
) -> None:
    bad = [make_event(0), make_event(1, customer_id=None)]
    world.upload(bad)
    world.ingest()
    aside = the_object(world).rename(world.root / "aside")
    world.upload([make_event(0), make_event(1)])
    world.ingest(LATER)
    assert quarantine.open_rows(world.lake).is_empty()
    before = totals(world.lake)

    if etag == "old":
        aside.rename(the_object(world))
    else:
        world.upload(bad)
    report = world.ingest(LATER)

    held = quarantine.open_rows(world.lake)
    assert held.select("line", "rows", "reason").rows() == [(2, 1, "missing")]
    assert report.counts == Counts()
    assert totals(world.lake).equals(before)
    assert world.rows().height == 2
    version = open_version(f"{world.lake}/activity").version
    world.ingest(LATER)
    assert open_version(f"{world.lake}/activity").version == version


def test_rows_that_a_replay_brought_in_stay_closed_when_their_content_comes_back(world: World) -> None:
    early = [make_event(0, event_time=(START + timedelta(minutes=59)).isoformat()), make_event(1, customer_id=None)]
    world.upload(early)
    world.with_ingestion(allowed_skew=-timedelta(minutes=30)).ingest()
    world.ingestion().replay_quarantine(now=LATER, run_id="replay")
    world.upload([make_event(2)])
    world.ingest(LATER)

    world.upload(early)
    world.ingest(LATER)

    assert quarantine.open_rows(world.lake)["line"].to_list() == [2]
    report = world.ingestion().replay_quarantine(now=LATER, run_id="again")
    assert report.counts == Counts(read=1, quarantined=1)


def test_content_committed_after_its_replacement_was_ingested_is_put_right_by_the_next_run(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.upload([make_event(0), make_event(1, customer_id=None)])
    place = "churn.ingestion.stream_run.decoded"

    def replace_meanwhile(
        group: Sequence[tuple[Piece, bytes]], contract: Contract, limits: LandingSettings
    ) -> list[Piece]:
        monkeypatch.setattr(place, decoded)
        world.upload([make_event(0), make_event(1), make_event(2, event_type=None)])
        world.ingest()
        return decoded(group, contract, limits)

    monkeypatch.setattr(place, replace_meanwhile)
    world.ingest()
    assert quarantine.open_rows(world.lake)["line"].to_list() == [2]

    world.ingest(LATER)

    assert quarantine.open_rows(world.lake)["line"].to_list() == [3]
