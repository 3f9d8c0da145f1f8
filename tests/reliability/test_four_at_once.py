import json
from pathlib import Path

from churn.hours import HOUR
from churn.ingestion import journal, quarantine
from churn.lake.table import open_version
from churn.privacy.subjects import SubjectMap
from tests.reliability.ingester import Ingesters
from tests.reliability.scenario import check_lake, upload_dirty_hours, versions
from tests.world import START, World, make_event, world_in

FOUR = 4


def run_at_once(world: World, hours: int) -> None:
    ingesters = Ingesters()
    barrier = ingesters.context.Barrier(FOUR)
    children = [ingesters.start(world, hours, barrier=barrier) for _ in range(FOUR)]
    codes = [ingesters.finish(child) for child in children]
    assert codes == [0] * FOUR, (world.root / "log").read_text().partition("Traceback")[2][:6000]


def log_lines(world: World) -> list[dict[str, object]]:
    return [json.loads(line) for line in (world.root / "log").read_text().splitlines() if line.startswith("{")]


def test_four_ingesters_on_the_same_landing_zone_agree_on_everything(tmp_path: Path) -> None:
    hours = 6
    world = world_in(tmp_path, batch_objects=2)
    expected = upload_dirty_hours(world, hours)

    run_at_once(world, hours)

    check_lake(world, expected)
    before = versions(world)
    world.ingest(START + hours * HOUR)
    assert versions(world) == before
    assert any(line["event"] == "commit_conflict" for line in log_lines(world)), "they never met"


def test_of_four_contents_under_one_id_exactly_one_stays(tmp_path: Path) -> None:
    objects, ids = 12, 5
    world = world_in(tmp_path, batch_objects=1)
    for number in range(objects):
        uploaded = [make_event(event, amount=str(number + 1), customer_id=f"c{event}") for event in range(ids)]
        world.upload(uploaded, f"part-{number}.jsonl")

    run_at_once(world, 1)

    rows = world.rows()
    assert sorted(rows["event_id"]) == [f"e{event}" for event in range(ids)]
    assert journal.totals(world.lake).rows() == [("activity", objects, objects * ids, ids, 0, (objects - 1) * ids)]
    held = quarantine.open_rows(world.lake)
    assert held.select("source_file", "line").is_unique().all()
    assert set(held["reason"]) == {"conflict"}
    kept = set(rows.select("source_file", "source_line").iter_rows())
    assert kept | set(held.select("source_file", "line").iter_rows()) == {
        (f"activity/dt=2026-03-01/hour=10/part-{number}.jsonl", line + 1)
        for number in range(objects)
        for line in range(ids)
    }
    entries = world.rows("journal").filter(status="ingested")
    assert entries.height == entries["object_id"].n_unique() == objects
    assert open_version(f"{world.lake}/activity").rows == entries["appended"].sum()
    tokens = SubjectMap(world.lake, world.key.data_key()).tokens_for([f"c{event}" for event in range(ids)], "customer")
    assert dict(rows.select("event_id", "customer_id").iter_rows()) == {
        f"e{event}": tokens[f"c{event}"] for event in range(ids)
    }
