"""Tables that were deleted or restored from an old copy: refused, because what they lost would never come back."""

import shutil
from datetime import timedelta

import pytest

from churn.errors import ChurnError
from tests.world import START, World, make_event

LATER = START + timedelta(hours=2)


def test_a_table_restored_from_an_old_copy_is_refused_and_healed_without_its_journal(world: World) -> None:
    lake = world.root / "lake"
    world.upload([make_event(0)])
    world.ingest()
    shutil.copytree(lake / "activity", world.root / "copy")
    world.upload([make_event(1)], "part-1.jsonl")
    world.ingest(LATER)
    shutil.rmtree(lake / "activity")
    shutil.copytree(world.root / "copy", lake / "activity")

    with pytest.raises(ChurnError, match="holds 1 of the 2 ingestions"):
        world.ingest(LATER)

    shutil.rmtree(lake / "journal")
    world.ingest(LATER)
    assert sorted(world.rows()["event_id"]) == ["e0", "e1"]


def test_a_deleted_table_is_refused(world: World) -> None:
    world.upload([make_event(0)])
    world.ingest()
    shutil.rmtree(world.root / "lake" / "activity")

    with pytest.raises(ChurnError, match="holds 0 of the 1 ingestions"):
        world.ingest(LATER)


def test_a_deleted_subject_map_is_refused_before_customers_get_new_tokens(world: World) -> None:
    world.upload([make_event(0)])
    world.ingest()
    shutil.rmtree(world.root / "lake" / "subjects")
    world.upload([make_event(7)], "part-1.jsonl")

    with pytest.raises(ChurnError, match="restore it from a copy"):
        world.ingest(LATER)

    assert world.rows().height == 1
