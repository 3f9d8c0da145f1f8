"""Replays of quarantined rows: what is in quarantine now, and counts that still add up."""

import gzip
import json
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest
import yaml

import churn.contracts
from churn.contracts import Contract
from churn.errors import ChurnError
from churn.ingestion import quarantine
from churn.ingestion.journal import totals
from churn.ingestion.pieces import Piece, decoded
from churn.settings import LandingSettings
from tests.world import START, World, make_event, world_in

LATER = START + timedelta(hours=2)
BUILT_IN = Path(churn.contracts.__file__).parent


def with_limit(world: World, max_object_bytes: int) -> World:
    landing = world.settings.landing.model_copy(update={"max_object_bytes": max_object_bytes})
    return World(world.root, world.settings.model_copy(update={"landing": landing}))


def test_an_object_too_large_to_be_read_is_replayed_after_the_limit_was_raised(world: World) -> None:
    world.upload([make_event(number) for number in range(5)])
    with_limit(world, 50).ingest()

    report = world.ingestion().replay_quarantine(now=LATER, run_id="replay")

    assert report.counts.appended == 5
    assert quarantine.open_rows(world.lake).is_empty()


def test_totals_count_the_rows_of_an_object_that_could_not_be_opened_at_first(world: World) -> None:
    lines = "".join(json.dumps(make_event(number)) + "\n" for number in range(50))
    lines += json.dumps(make_event(50, event_time="soon")) + "\n"
    world.upload(gzip.compress(lines.encode()), "part-0.jsonl.gz")
    with_limit(world, 2_000).ingest()

    world.ingestion().replay_quarantine(now=LATER, run_id="replay")

    counts = totals(world.lake).drop("stream").row(0, named=True)
    assert counts == {"objects": 1, "read": 51, "appended": 50, "duplicate": 0, "quarantined": 1}


def test_a_replay_that_commits_after_its_object_was_replaced_hides_none_of_the_new_rows(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.upload([make_event(0), make_event(1, event_time="soon")])
    world.ingest()
    place = "churn.ingestion.stream_run.decoded"

    def replace_meanwhile(
        group: Sequence[tuple[Piece, bytes]], contract: Contract, limits: LandingSettings
    ) -> list[Piece]:
        monkeypatch.setattr(place, decoded)
        world.upload([make_event(2), make_event(3, event_time="soon"), make_event(4, event_time="soon")])
        world.ingest(LATER)
        return decoded(group, contract, limits)

    monkeypatch.setattr(place, replace_meanwhile)
    world.ingestion().replay_quarantine(now=LATER, run_id="replay")

    assert quarantine.open_rows(world.lake)["line"].to_list() == [2, 3]


def test_a_conflict_that_turns_around_while_another_ingester_commits_is_in_quarantine_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = world.root / "landing" / "activity" / f"dt={START:%Y-%m-%d}" / f"hour={START:%H}" / "part-0.jsonl"
    world.upload([make_event(0, amount="1"), make_event(0, amount="2")], ours.name)
    add = quarantine.add

    def commit_meanwhile(*arguments: object) -> None:
        monkeypatch.setattr(quarantine, "add", add)
        add(*arguments)  # type: ignore[arg-type]
        hidden = ours.rename(world.root / "hidden")
        other = world_in(world.root)
        other.upload([make_event(0, amount="2")], "part-1.jsonl")
        other.ingest()
        hidden.rename(ours)

    monkeypatch.setattr(quarantine, "add", commit_meanwhile)
    report = world.ingest()

    assert (report.counts.duplicate, report.counts.quarantined) == (1, 1)
    assert quarantine.open_rows(world.lake)["line"].to_list() == [1]


def test_a_replay_passes_over_objects_that_are_gone_unless_all_are(world: World) -> None:
    for name in ("part-0.jsonl", "part-1.jsonl"):
        world.upload([make_event(0, event_id=name, event_time="1980-01-01T00:00:00Z")], name=name)
    world.ingest()
    landing = world.root / "landing" / "activity" / "dt=2026-03-01" / "hour=10"
    (landing / "part-0.jsonl").unlink()

    report = world.ingestion().replay_quarantine(now=LATER, run_id="replay")

    assert (report.counts.read, report.streams[0].postponed) == (1, 1)
    (landing / "part-1.jsonl").unlink()
    with pytest.raises(ChurnError, match=r"part-0\.jsonl: no longer in the landing zone"):
        world.ingestion().replay_quarantine(now=LATER, run_id="replay")


def test_lines_of_an_object_that_would_now_be_refused_as_a_whole_stay_as_they_are(world: World, tmp_path: Path) -> None:
    world.upload([make_event(0), make_event(1, customer_id=None)])
    world.ingest()
    before, counts = quarantine.open_rows(world.lake), totals(world.lake)
    contract = yaml.safe_load((BUILT_IN / "activity.yaml").read_text())
    contract["fields"].append({"name": "store_id", "type": "code", "required": True})
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(contract))
    stricter = world.with_ingestion(contracts={"activity": tmp_path / "mine.yaml"})

    with pytest.raises(ChurnError, match="refused as a whole"):
        stricter.ingestion().replay_quarantine(now=LATER, run_id="replay")

    assert quarantine.open_rows(world.lake).equals(before)
    assert totals(world.lake).equals(counts)
