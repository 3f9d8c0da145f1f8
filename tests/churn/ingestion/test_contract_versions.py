"""A change of the contract must not turn known rows into new ones, nor stop an older version from ingesting."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from churn import contracts
from tests.world import START, World, make_event, world_in

HOUR = timedelta(hours=1)


def with_coupon(root: Path, **more: str) -> World:
    builtin = Path(contracts.__file__).with_name("activity.yaml")
    document: dict[str, Any] = yaml.safe_load(builtin.read_text(encoding="utf-8"))
    document["version"] = 2
    document["fields"].insert(3, {"name": "coupon", "type": "code", **more})
    path = root / "activity-2.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return world_in(root, contracts={"activity": path})


def test_rows_without_an_id_keep_their_key_when_a_column_is_added(world: World) -> None:
    rows = [make_event(number, event_id=None) for number in range(6)]
    world.upload(rows[:5])
    world.ingest()

    newer = with_coupon(world.root)
    newer.upload(rows, "part-1.jsonl")
    report = newer.ingest(START + 2 * HOUR)

    assert (report.counts.appended, report.counts.duplicate) == (1, 5)


TYPES = [("code", "none"), ("decimal", "0.5"), ("timestamp", "2026-01-01")]


@pytest.mark.parametrize("with_id", [True, False], ids=["with-id", "without-id"])
@pytest.mark.parametrize(("kind", "default"), TYPES)
def test_rows_older_than_a_field_with_a_default_are_known_when_they_come_again(
    world: World, kind: str, default: str, with_id: bool
) -> None:
    identity = {} if with_id else {"event_id": None}
    rows = [make_event(number, **identity) for number in range(5)]
    world.upload(rows)
    world.ingest()

    newer = with_coupon(world.root, type=kind, default=default)
    newer.upload([*rows, make_event(5, **identity)], "part-1.jsonl")
    report = newer.ingest(START + 2 * HOUR)

    assert (report.counts.appended, report.counts.duplicate) == (1, 5)


def test_an_older_row_that_comes_again_with_more_than_the_default_is_a_conflict(world: World) -> None:
    world.upload([make_event(0)])
    world.ingest()

    newer = with_coupon(world.root, default="none")
    newer.upload([make_event(0, coupon="none"), make_event(0, coupon="SPRING")], "part-1.jsonl")
    report = newer.ingest(START + 2 * HOUR)

    assert (report.counts.duplicate, report.streams[0].reasons) == (1, {"conflict:event_id": 1})


def test_an_older_contract_ingests_into_a_table_that_a_newer_one_has_evolved(world: World) -> None:
    newer = with_coupon(world.root)
    newer.upload([make_event(0, coupon="SPRING")])
    newer.ingest()

    world.upload([make_event(0), make_event(1)], "part-1.jsonl")
    report = world.ingest(START + 2 * HOUR)

    assert (report.counts.appended, report.counts.duplicate) == (1, 1)
    assert sorted(world.rows()["coupon"].to_list(), key=str) == [None, "SPRING"]
