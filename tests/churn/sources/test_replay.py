from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from io import BytesIO
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from churn.landing.zone import LandingZone
from churn.settings import Stream
from churn.sources.cdnow import Cdnow
from churn.sources.encode import UploadFormat
from churn.sources.replay import ReplayReport, replay
from churn.sources.source import UPLOADED, SourceError

START = datetime(2026, 3, 29, 22, 30, tzinfo=UTC)

Frames = list[list[tuple[int, str]]]


class Shop:
    """A source of the rows it is given: (hours after the start, id), one frame per list."""

    name = "shop"

    def __init__(self, activity: Frames, customers: Frames | None = None) -> None:
        self._rows: dict[Stream, Frames] = {"activity": activity}
        if customers is not None:
            self._rows["customers"] = customers

    def streams(self) -> tuple[Stream, ...]:
        return tuple(self._rows)

    def read(self, stream: Stream) -> Iterator[pl.DataFrame]:
        for rows in self._rows.get(stream, []):
            moments = pl.Series([START + timedelta(hours=hours) for hours, _ in rows], dtype=pl.Datetime("us", "UTC"))
            yield pl.DataFrame({"customer_id": [customer for _, customer in rows], UPLOADED: moments})


@pytest.fixture
def zone(tmp_path: Path) -> LandingZone:
    return LandingZone(str(tmp_path))


def uploaded(zone: LandingZone, stream: Stream = "activity") -> dict[str, list[str]]:
    """Hour → customer ids, read back from CSV objects."""
    return {
        f"{item.hour:%d %H}": zone.read(item)[1].decode().split()[1:]
        for item in zone.objects(stream)
        if item.format == "csv"
    }


def test_each_hour_becomes_an_object_named_after_it(zone: LandingZone) -> None:
    report = replay(Shop([[(0, "a"), (0, "b"), (2, "c")]]), zone, format="csv")

    assert uploaded(zone) == {"29 22": ["a", "b"], "30 00": ["c"]}
    assert [item.path for item in zone.objects("activity")] == [
        "activity/dt=2026-03-29/hour=22/shop-activity-20260329T22.csv",
        "activity/dt=2026-03-30/hour=00/shop-activity-20260330T00.csv",
    ]
    assert (report.objects, report.rows, report.unchanged) == (2, 3, 0)
    assert report.bytes == sum(item.size for item in zone.objects("activity"))
    assert report.first_hour == datetime(2026, 3, 29, 22, tzinfo=UTC)
    assert report.last_hour == datetime(2026, 3, 30, 0, tzinfo=UTC)


def test_per_day_uploads_a_day_in_its_last_hour(zone: LandingZone) -> None:
    replay(Shop([[(0, "a"), (1, "b")], [(2, "c"), (25, "d")]]), zone, per="day", format="csv")
    assert uploaded(zone) == {"29 23": ["a", "b"], "30 23": ["c", "d"]}


def test_an_hour_spread_over_frames_is_one_object(zone: LandingZone) -> None:
    replay(Shop([[(0, "a")], [], [(0, "b"), (1, "c")], [(1, "d")]]), zone, format="csv")
    assert uploaded(zone) == {"29 22": ["a", "b"], "29 23": ["c", "d"]}


def test_frames_out_of_order_are_an_error_and_not_a_lost_row(zone: LandingZone) -> None:
    with pytest.raises(SourceError, match="shop: activity rows of 2026-03-29T22Z"):
        replay(Shop([[(0, "a"), (5, "b")], [(0, "c")]]), zone)


@given(
    rows=st.lists(st.integers(0, 60)).map(sorted),
    cuts=st.sets(st.integers(0, 30)),
    since=st.none() | st.integers(-5, 65),
    until=st.none() | st.integers(-5, 65),
)
def test_every_row_between_the_bounds_is_uploaded_once(
    tmp_path_factory: pytest.TempPathFactory, rows: list[int], cuts: set[int], since: int | None, until: int | None
) -> None:
    zone = LandingZone(str(tmp_path_factory.mktemp("zone")))
    edges = [0, *sorted(cut for cut in cuts if cut < len(rows)), len(rows)]
    named = [(hours, f"c{number}") for number, hours in enumerate(rows)]
    frames = [named[start:end] for start, end in pairwise(edges)]
    at = START.replace(minute=0)
    report = replay(
        Shop(frames),
        zone,
        since=None if since is None else at + timedelta(hours=since),
        until=None if until is None else at + timedelta(hours=until),
        format="csv",
    )
    wanted = [name for hours, name in named if (since is None or hours >= since) and (until is None or hours < until)]
    assert [name for names in uploaded(zone).values() for name in names] == wanted
    assert report.rows == len(wanted)
    assert report.objects == len(uploaded(zone))


def test_streams_are_interleaved_by_hour(zone: LandingZone) -> None:
    seen: list[datetime | None] = []
    shop = Shop([[(0, "a"), (3, "b")]], [[(1, "c"), (4, "d")]])
    replay(shop, zone, format="csv", progress=lambda report: seen.append(report.last_hour))
    assert seen == sorted(seen, key=lambda hour: hour or START)
    assert uploaded(zone, "customers") == {"29 23": ["c"], "30 02": ["d"]}


def test_one_stream_can_be_chosen_and_a_missing_one_is_named(zone: LandingZone) -> None:
    shop = Shop([[(0, "a")]], [[(0, "b")]])
    assert replay(shop, zone, streams=["customers"]).objects == 1
    assert zone.objects("activity") == []
    with pytest.raises(SourceError, match="shop: no subscriptions; the source has activity, customers"):
        replay(shop, zone, streams=["subscriptions"])


@pytest.mark.parametrize("format", ["jsonl", "jsonl.gz", "csv", "csv.gz", "parquet"])
def test_a_rerun_leaves_identical_objects_alone(zone: LandingZone, format: UploadFormat) -> None:
    shop = Shop([[(0, "a"), (1, "b")]])
    first = replay(shop, zone, format=format)
    before = zone.objects("activity")
    second = replay(shop, zone, format=format)
    assert zone.objects("activity") == before
    assert (second.objects, second.unchanged, second.bytes) == (2, 2, first.bytes)


@pytest.mark.parametrize("format", ["jsonl.gz", "csv.gz"])
def test_the_bytes_do_not_tell_when_they_were_made(zone: LandingZone, format: UploadFormat) -> None:
    replay(Shop([[(0, "a")]]), zone, format=format)
    (item,) = zone.objects("activity")
    assert zone.read(item)[1][4:8] == bytes(4)  # the time stamp of a gzip header


def test_a_rerun_repairs_a_damaged_object(zone: LandingZone) -> None:
    replay(Shop([[(0, "a")]]), zone, format="csv")
    zone.write("activity", START, "shop-activity-20260329T22.csv", b"damaged")
    assert replay(Shop([[(0, "a")]]), zone, format="csv").unchanged == 0
    assert uploaded(zone) == {"29 22": ["a"]}


@pytest.mark.parametrize("format", ["jsonl", "jsonl.gz", "csv", "csv.gz", "parquet"])
def test_every_format_holds_every_purchase_of_cdnow(zone: LandingZone, format: UploadFormat) -> None:
    report = replay(Cdnow(), zone, per="day", format=format)
    assert (report.rows, report.objects) == (69_659, 546)
    frames = []
    for item in zone.objects("activity"):
        data = BytesIO(zone.read(item)[1])
        if item.format == "parquet":
            frames.append(pl.read_parquet(data))
        elif item.format == "csv":
            frames.append(pl.read_csv(data, infer_schema=False))
        else:
            frames.append(pl.read_ndjson(data))
    assert pl.concat(frames).equals(
        pl.concat(Cdnow().read("activity")).drop(UPLOADED).sort("event_time", maintain_order=True)
    )


def test_bounds_pick_days_of_cdnow(zone: LandingZone) -> None:
    since, until = datetime(1998, 6, 29, tzinfo=UTC), datetime(1998, 6, 30, 12, tzinfo=UTC)
    report = replay(Cdnow(), zone, since=since, until=until)
    assert {item.hour.date() for item in zone.objects("activity")} == {date(1998, 6, 29), date(1998, 6, 30)}
    assert max(item.hour for item in zone.objects("activity")) < until
    assert report.objects == len(zone.objects("activity"))


class Watch:
    """A clock that only moves when someone sleeps or works."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def test_speed_waits_between_hours_as_the_data_do(zone: LandingZone) -> None:
    watch = Watch()

    def work(_: ReplayReport) -> None:
        watch.now += 0.25

    shop = Shop([[(0, "a"), (1, "b"), (4, "c")]])
    replay(shop, zone, speed=3600.0, clock=lambda: watch.now, sleep=watch.sleep, progress=work)
    assert watch.slept == [0.0, 0.75, 2.75]


def test_without_speed_nothing_waits(zone: LandingZone) -> None:
    watch = Watch()
    replay(Shop([[(0, "a"), (9, "b")]]), zone, clock=lambda: watch.now, sleep=watch.sleep)
    assert watch.slept == []


def test_an_interrupt_ends_the_replay_between_objects(zone: LandingZone) -> None:
    def stop(report: ReplayReport) -> None:
        if report.objects == 2:
            raise KeyboardInterrupt

    report = replay(Shop([[(0, "a"), (1, "b"), (2, "c")]]), zone, format="csv", progress=stop)
    assert report.stopped
    assert (report.objects, report.rows) == (2, 2)
    assert uploaded(zone) == {"29 22": ["a"], "29 23": ["b"]}


def test_an_interrupted_replay_goes_on_where_it_was(zone: LandingZone) -> None:
    shop = Shop([[(0, "a"), (1, "b"), (2, "c")]])
    replay(shop, zone, until=START + timedelta(hours=1), format="csv")
    report = replay(shop, zone, format="csv")
    assert (report.objects, report.unchanged) == (3, 2)
