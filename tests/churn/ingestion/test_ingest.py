from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

import polars as pl
import pytest

from churn.errors import KeyUnavailable, TooManyBadRows
from churn.hours import HOUR
from churn.ingestion import journal, quarantine
from churn.ingestion.report import Counts, StreamReport
from churn.lake.table import open_table
from tests.world import activity

if TYPE_CHECKING:
    from tests.churn.ingestion.conftest import World

Event = Callable[..., dict[str, object]]


def test_a_clean_hour_is_appended_with_where_and_when_it_came_from(world: "World", event: Event) -> None:
    world.upload([event(0), event(1)])

    report = world.ingest()

    assert activity(report).counts == Counts(read=2, appended=2)
    rows = world.rows().sort("event_id")
    assert rows["event_id"].to_list() == ["e0", "e1"]
    assert rows["source_file"].unique().to_list() == ["activity/dt=2026-03-01/hour=10/part-0.jsonl"]
    assert rows["source_line"].to_list() == [1, 2]
    assert rows["available_at"].unique().to_list() == [world.now]
    assert rows["ingest_seq"].unique().to_list() == [1]
    assert rows["customer_id"].str.starts_with("cus_").all()


def test_ingesting_twice_changes_nothing(world: "World", event: Event) -> None:
    world.upload([event(0), event(1)])
    first = activity(world.ingest())

    second = activity(world.ingest())

    assert second.counts == Counts()
    assert second.table_version == first.table_version
    assert world.rows().height == 2


def test_an_hour_that_is_not_over_is_left_for_later(world: "World", event: Event) -> None:
    world.upload([event(0)], hour=world.now)

    report = world.ingest()
    assert activity(report).counts == Counts()
    assert world.ingestion().scan(world.now).streams[0].not_closed == 1

    assert activity(world.ingest(world.now + HOUR)).counts == Counts(read=1, appended=1)


def test_the_same_content_stored_anew_is_not_read_again(world: "World", event: Event) -> None:
    world.upload([event(0)])
    world.ingest()
    world.upload([event(0)])

    again = activity(world.ingest())

    assert [item.status for item in again.objects] == ["unchanged"]
    assert world.rows().height == 1
    assert activity(world.ingest()).objects == ()


def test_a_changed_object_brings_only_what_is_new_and_as_late(world: "World", event: Event) -> None:
    world.upload([event(0)])
    world.ingest()
    world.upload([event(0), event(1)])

    later = world.now + timedelta(hours=5, minutes=10)
    report = activity(world.ingest(later))

    assert report.counts == Counts(read=2, appended=1, duplicate=1)
    rows = world.rows().sort("event_id")
    assert rows["available_at"].to_list() == [world.now, world.now + timedelta(hours=6)]


def test_same_id_with_other_content_goes_to_quarantine(world: "World", event: Event) -> None:
    world.upload([event(0), event(0, amount="99")])
    world.upload([event(0, amount="77")], name="part-1.jsonl")

    report = activity(world.ingest())

    assert report.counts == Counts(read=3, appended=1, quarantined=2)
    assert world.rows()["amount"].cast(pl.Float64).to_list() == [12.5]
    held = quarantine.open_rows(world.lake)
    assert held.select("reason", "line").rows() == [("conflict", 2), ("conflict", 1)]


def test_rows_without_an_id_are_told_apart_by_their_content(world: "World", event: Event) -> None:
    rows = [event(0, event_id=None), event(0, event_id=None), event(0, event_id=None, amount="1")]
    world.upload(rows)
    assert activity(world.ingest()).counts == Counts(read=3, appended=2, duplicate=1)

    world.upload(rows, name="part-1.jsonl")

    assert activity(world.ingest()).counts == Counts(read=3, duplicate=3)


def test_a_late_object_is_available_when_found_unless_it_is_a_backfill(world: "World", event: Event) -> None:
    world.upload([event(0)])
    later = world.now + timedelta(hours=3, minutes=30)
    world.ingest(later)
    world.upload([event(1)], name="part-1.jsonl")
    world.ingest(later)
    world.upload([event(2)], name="part-2.jsonl")
    world.ingest(later, backfill=True)

    rows = world.rows().sort("event_id")

    assert rows["available_at"].to_list() == [world.now, world.now + timedelta(hours=4), world.now]


def test_catching_up_after_downtime_counts_as_on_time(world: "World", event: Event) -> None:
    world.upload([event(0)])
    world.ingest()
    world.upload([event(1, event_time="2026-03-01T11:10:00Z")], hour=world.now)

    world.ingest(world.now + timedelta(days=3))

    rows = world.rows().sort("event_id")
    assert rows["available_at"].to_list() == [world.now, world.now + HOUR]


def test_an_event_from_the_future_is_refused(world: "World", event: Event) -> None:
    world.upload([event(0), event(1, event_time=(world.now + timedelta(minutes=10)).isoformat())])

    assert activity(world.ingest()).reasons == {"in_the_future:event_time": 1}


def test_a_missing_required_column_sends_the_whole_object_to_quarantine(world: "World") -> None:
    world.upload(b"event_id,event_time,event_type\na,2026-03-01T10:00:00Z,x\nb,2026-03-01T10:00:00Z,x\n", "part-0.csv")

    report = activity(world.ingest())

    assert report.counts == Counts(read=2, quarantined=2)
    assert quarantine.open_rows(world.lake).select("reason", "column", "rows", "line").rows() == [
        ("missing_column", "customer_id", 2, None)
    ]


def test_an_unreadable_object_is_recorded_and_does_not_stop_the_others(world: "World", event: Event) -> None:
    world.upload(b"\x1f\x8bnot gzip at all", "part-0.jsonl.gz")
    world.upload([event(0)], "part-1.jsonl")

    report = activity(world.ingest())

    assert [item.status for item in report.objects] == ["unreadable", "ingested"]
    assert report.counts == Counts(read=1, appended=1)
    assert quarantine.open_rows(world.lake)["reason"].to_list() == ["corrupt_gzip"]


def test_too_many_bad_rows_stop_the_run_with_nothing_written(world: "World", event: Event) -> None:
    strict = world.with_ingestion(max_bad_share=0.1)
    strict.upload([event(i, customer_id=None if i % 2 else "c") for i in range(40)])

    with pytest.raises(TooManyBadRows, match="20 of 40 rows in a batch are bad"):
        strict.ingest()

    assert strict.rows().is_empty()
    assert quarantine.open_rows(strict.lake).is_empty()
    assert open_table(f"{strict.lake}/subjects") is None


def test_a_stream_that_is_too_bad_holds_up_no_other(world: "World", event: Event) -> None:
    strict = world.with_ingestion(max_bad_share=0.1)
    strict.upload([event(i, customer_id=None) for i in range(40)])
    strict.upload([{"customer_id": "42", "valid_from": "2026-03-01T00:00:00Z"}], stream="customers")

    with pytest.raises(TooManyBadRows):
        strict.ingest()

    assert strict.rows("customers").height == 1
    assert strict.rows().is_empty()


def test_without_the_key_nothing_is_written(world: "World", event: Event) -> None:
    world.upload([event(0)])
    world.key = type(world.key)(broken=True)

    with pytest.raises(KeyUnavailable):
        world.ingest()

    assert not (world.root / "lake").exists()


def test_a_backlog_is_taken_in_bounded_batches(world: "World", event: Event) -> None:
    small = world.with_ingestion(batch_objects=3)
    for number in range(10):
        small.upload([event(number)], name=f"part-{number}.jsonl")

    report = activity(small.ingest())

    assert report.batches == 4
    assert report.counts == Counts(read=10, appended=10)
    assert small.rows()["ingest_seq"].n_unique() == 4


def test_empty_hours_are_counted_once(world: "World", event: Event) -> None:
    world.upload([event(0)])
    assert activity(world.ingest()).hours_without_objects == 0

    report = activity(world.ingest(world.now + timedelta(hours=3)))

    assert report.hours_without_objects == 3
    assert report.closed_until == world.now + timedelta(hours=3)
    assert activity(world.ingest(world.now + timedelta(hours=3))).hours_without_objects == 0


def test_a_stream_without_a_source_leaves_no_table(world: "World", event: Event) -> None:
    world.upload([event(0)])

    report = world.ingest()

    assert [stream.table_version is None for stream in report.streams] == [False, True, True, True]
    assert open_table(f"{world.lake}/customers") is None


def test_customers_and_subscriptions_share_tokens_with_activity(world: "World", event: Event) -> None:
    world.upload([event(0, customer_id="42")])
    world.upload([{"customer_id": "42", "valid_from": "2026-03-01T00:00:00Z", "country": "DE"}], stream="customers")
    world.upload(
        [{"customer_id": "42", "valid_from": "2026-03-01T00:00:00Z", "plan": "pro", "status": "active"}],
        stream="subscriptions",
    )

    world.ingest()

    tokens = {world.rows(table)["customer_id"].item() for table in ("activity", "customers", "subscriptions")}
    assert len(tokens) == 1


def test_quarantined_rows_can_be_replayed_once_the_contract_allows_them(world: "World", event: Event) -> None:
    world.upload([event(0), event(1, event_time="2026-03-01T10:59:00Z"), event(2, event_time="1980-01-01T00:00:00Z")])
    strict = world.with_ingestion(allowed_skew=-timedelta(minutes=30))
    assert activity(strict.ingest()).counts == Counts(read=3, appended=1, quarantined=2)

    later = world.now + timedelta(hours=7)
    report = world.ingestion().replay_quarantine(now=later, run_id="replay")

    assert report.counts == Counts(read=2, appended=1, quarantined=1)
    rows = world.rows().sort("event_id")
    assert rows["event_id"].to_list() == ["e0", "e1"]
    assert rows["available_at"].to_list() == [world.now, later]
    assert quarantine.open_rows(world.lake).select("line", "reason").rows() == [(3, "before_floor")]
    assert journal.totals(world.lake).rows() == [("activity", 1, 3, 2, 0, 1)]


def test_a_corrected_upload_closes_the_quarantine_of_the_old_one(world: "World", event: Event) -> None:
    world.upload([event(0, customer_id=None)])
    world.ingest()
    world.upload([event(0)])

    world.ingest()

    assert quarantine.open_rows(world.lake).is_empty()
    assert world.rows().height == 1


def test_schema_differences_are_new_only_the_first_time(world: "World", event: Event) -> None:
    world.upload([event(0, favourite_colour="red")])
    first = activity(world.ingest())
    world.upload([event(1, favourite_colour="red")], name="part-1.jsonl")
    second = activity(world.ingest())

    def of(report: StreamReport) -> list[bool]:
        return [item.new for item in report.differences if item.column == "favourite_colour"]

    assert of(first) == [True]
    assert of(second) == [False]
