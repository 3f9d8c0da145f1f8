"""A small landing zone with every kind of row in it, and what a lake must hold once it has been ingested."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import polars as pl
from deltalake import DeltaTable

from churn.hours import HOUR
from churn.ingestion import journal, quarantine
from churn.lake.table import open_table, open_version
from churn.privacy.subjects import SubjectMap
from tests.world import START, World, make_event

EVENTS = 6
"""New events per hour."""


@dataclass
class Expected:
    """What the uploads amount to, whatever happened on the way."""

    hours: int
    customer_of: dict[str, str] = field(default_factory=dict)
    available: dict[str, int] = field(default_factory=dict)
    customers: set[str] = field(default_factory=set)
    read: int = 0
    objects: int = 0
    duplicate: int = 0
    held: set[tuple[str, str, int | None, str]] = field(default_factory=set)


def upload_dirty_hours(world: World, hours: int) -> Expected:
    """Per hour: new events with two bad lines, then a CSV of duplicates and a conflict; customers; a corrupt object."""
    expected = Expected(hours)
    for hour in range(hours):
        start = START + hour * HOUR
        folder = f"dt=2026-03-01/hour={start.hour}"
        events = [_event(EVENTS * hour + place, hour) for place in range(EVENTS)]
        lines = [json.dumps(event) for event in events]
        lines.insert(2, '{"event_id": ')
        lines.append(json.dumps(_event(10_000, hour) | {"customer_id": None}))
        world.upload("\n".join(lines).encode(), "part-0.jsonl", start)
        again = [events[0], events[3], events[1] | {"amount": "99"}]
        table = [",".join(again[0]), *(",".join(map(str, event.values())) for event in again)]
        world.upload("\n".join(table).encode(), "part-1.csv", start)
        world.upload(_customers(hour), "part-0.jsonl", start, "customers")
        for event in events:
            expected.customer_of[str(event["event_id"])] = str(event["customer_id"])
            expected.available[str(event["event_id"])] = hour + 1
            expected.customers.add(str(event["customer_id"]))
        expected.customers |= {str(row["customer_id"]) for row in _customers(hour)}
        expected.read += len(events) + 2 + len(again)
        expected.objects += 2
        expected.duplicate += 2
        expected.held |= {
            ("activity", f"activity/{folder}/part-0.jsonl", 3, "invalid_json"),
            ("activity", f"activity/{folder}/part-0.jsonl", EVENTS + 2, "missing"),
            ("activity", f"activity/{folder}/part-1.csv", 4, "conflict"),
        }
    world.upload(b"\x1f\x8bbroken", "part-2.jsonl.gz", START)
    expected.objects += 1
    expected.held.add(("activity", f"activity/dt=2026-03-01/hour={START.hour}/part-2.jsonl.gz", None, "corrupt_gzip"))
    return expected


def _event(number: int, hour: int) -> dict[str, object]:
    # Every fourth event happened the day before, so that a commit writes two partitions.
    time = START + hour * HOUR + timedelta(minutes=number % 60) - timedelta(days=number % 4 == 0)
    return make_event(number, event_time=time.isoformat(), customer_id=f"c{number % 11}")


def _customers(hour: int) -> list[dict[str, object]]:
    time = (START + hour * HOUR).isoformat()
    return [{"customer_id": f"c{number}", "valid_from": time, "country": "DE"} for number in range(hour, hour + 14)]


def check_lake(world: World, expected: Expected) -> None:
    """Hold the lake against what was uploaded: nothing lost, nothing twice, all books agree."""
    rows = world.rows()
    assert sorted(rows["event_id"]) == sorted(expected.customer_of)
    ends = {name: START + hours * HOUR for name, hours in expected.available.items()}
    assert dict(rows.select("event_id", "available_at").iter_rows()) == ends
    _check_tokens(world, rows, expected)
    _check_journal(world, rows.height, expected)
    held = quarantine.open_rows(world.lake)
    assert held.height == len(expected.held)
    assert set(held.select("stream", "source_file", "line", "reason").iter_rows()) == expected.held
    assert list((world.root / "landing").rglob("*.tmp")) == []


def _check_tokens(world: World, rows: pl.DataFrame, expected: Expected) -> None:
    known = SubjectMap(world.lake, world.key.data_key()).tokens_for(sorted(expected.customers), "customer")
    assert set(known) == expected.customers
    assert len(set(known.values())) == len(known)
    subjects = world.rows("subjects")
    assert subjects.height == subjects.select("fingerprint_high", "fingerprint_low").n_unique() == len(known)
    tokens = dict(rows.select("event_id", "customer_id").iter_rows())
    assert tokens == {event: known[customer] for event, customer in expected.customer_of.items()}
    customers = world.rows("customers")
    assert customers.height == customers["record_id"].n_unique() == 14 * expected.hours
    assert set(customers["customer_id"]) <= set(known.values())


def _check_journal(world: World, rows: int, expected: Expected) -> None:
    totals = {stream: counts for stream, *counts in journal.totals(world.lake).iter_rows()}
    bad = sum(line is not None for _, _, line, _ in expected.held)
    assert totals["activity"] == [expected.objects, expected.read, rows, expected.duplicate, bad]
    assert totals["customers"] == [expected.hours, 14 * expected.hours, 14 * expected.hours, 0, 0]
    # An ingester that listed an object just before another one took it notes it once more, as unchanged.
    entries = world.rows("journal").filter(pl.col("object_id").is_not_null(), pl.col("status") != "unchanged")
    assert entries.select("stream", "object_id").is_unique().all()
    for stream in ("activity", "customers"):
        table = open_version(f"{world.lake}/{stream}")
        own = world.rows("journal").filter(pl.col("stream") == stream)
        assert sorted(own["ingest_seq"].unique()) == list(range(1, table.fence(journal.FENCE) + 1))
        assert table.rows == own["appended"].sum()
        assert {app for app in table.transactions if app.startswith("object:")} == {
            f"object:{name}" for name in own["object_id"].drop_nulls()
        }
        assert DeltaTable(table.uri).version() == table.version


def versions(world: World) -> dict[str, int]:
    """Version of each table of the lake."""
    return dict(_versions(Path(world.lake)))


def _versions(lake: Path) -> Iterator[tuple[str, int]]:
    for folder in sorted(lake.iterdir()):
        table = open_table(str(folder))
        if table is not None:
            yield folder.name, table.version
