from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, cast
from uuid import uuid4

import fsspec
import pytest

from churn.errors import ChurnError, UnreadableObject
from churn.landing.storage import RemoteStorage
from churn.landing.zone import LandingZone, UnstableObject, VanishedObject

HOUR = datetime(2026, 3, 29, 1, tzinfo=UTC)


class S3(Protocol):
    bucket: str

    def options(self, who: str = "owner") -> dict[str, object]: ...


@dataclass(frozen=True)
class Bucket:
    """A fresh prefix of the bucket; `zone()` gives a client of its own each time."""

    s3: S3
    url: str

    def zone(self, who: str = "owner") -> LandingZone:
        return LandingZone(self.url, {**self.s3.options(who), "skip_instance_cache": True})

    def put(self, path: str, data: bytes) -> None:
        fsspec.filesystem("s3", **self.s3.options()).pipe_file(f"{self.url}/{path}", data)

    def remove(self, path: str) -> None:
        fsspec.filesystem("s3", **self.s3.options()).rm_file(f"{self.url}/{path}")


@pytest.fixture
def bucket(s3: S3) -> Bucket:
    return Bucket(s3, f"s3://{s3.bucket}/{uuid4().hex}/landing")


def test_what_one_client_writes_another_lists_and_reads(bucket: Bucket) -> None:
    bucket.zone().write("activity", HOUR, "a.jsonl.gz", b"first")
    reader = bucket.zone()
    (found,) = reader.objects("activity")
    assert (found.hour, found.name, found.size) == (HOUR, "a.jsonl.gz", 5)
    assert reader.read(found) == (found, b"first")
    assert reader.etag(found) == found.etag


def test_an_empty_zone_is_empty(bucket: Bucket) -> None:
    assert bucket.zone().objects("activity") == []
    assert bucket.zone().objects("activity", since=HOUR) == []


def test_uploads_by_others_are_seen_by_a_client_that_listed_before(bucket: Bucket) -> None:
    reader = bucket.zone()
    bucket.put("activity/dt=2026-03-29/hour=01/a.csv", b"one")
    (before,) = reader.objects("activity")
    assert len(reader.objects("activity", since=HOUR)) == 1

    bucket.put("activity/dt=2026-03-29/hour=01/b.csv", b"two")
    bucket.put("activity/dt=2026-03-29/hour=01/a.csv", b"ONE")
    bucket.put("activity/dt=2026-03-30/hour=00/c.csv", b"three")

    assert [item.name for item in reader.objects("activity")] == ["a.csv", "b.csv", "c.csv"]
    assert [item.name for item in reader.objects("activity", since=HOUR)] == ["a.csv", "b.csv", "c.csv"]
    assert reader.etag(before) == reader.objects("activity")[0].etag != before.etag
    assert reader.read(before) == (reader.objects("activity")[0], b"ONE")


def test_since_gives_the_end_of_the_whole_listing(bucket: Bucket) -> None:
    zone = bucket.zone()
    for hours in (-30, -1, 0, 5):
        zone.write("activity", HOUR + timedelta(hours=hours), "a.csv", b"x")
    assert zone.objects("activity", since=HOUR) == zone.objects("activity")[2:]


def test_misplaced_objects_are_strays(bucket: Bucket) -> None:
    bucket.put("activity/dt=2026-03-29/hour=01/a.xlsx", b"x")
    bucket.put("activity/dt=2026-03-29/hour=01/deeper/a.csv", b"x")
    bucket.put("activity/dt=2026-03-29/hour=01/_SUCCESS", b"x")
    zone = bucket.zone()
    assert zone.objects("activity") == []
    assert zone.strays("activity") == [
        "activity/dt=2026-03-29/hour=01/a.xlsx",
        "activity/dt=2026-03-29/hour=01/deeper/a.csv",
    ]


def test_names_with_special_characters_are_read_as_they_are(bucket: Bucket) -> None:
    names = ["a b+c%20#1.csv", "zürich 😀.csv", "*?[x].csv", "{x}.csv"]
    zone = bucket.zone()
    for name in names:
        zone.write("activity", HOUR, name, name.encode())
    found = zone.objects("activity")
    assert sorted(item.name for item in found) == sorted(names)
    assert [zone.read(item)[1].decode() for item in found] == [item.name for item in found]


def test_a_large_object_is_refused(bucket: Bucket) -> None:
    zone = bucket.zone()
    zone.write("activity", HOUR, "a.csv", bytes(1_000))
    (item,) = zone.objects("activity")
    assert zone.read(item, max_bytes=1_000)[1] == bytes(1_000)
    with pytest.raises(UnreadableObject, match="999"):
        zone.read(item, max_bytes=999)


def test_an_empty_object_is_read_under_a_limit(bucket: Bucket) -> None:
    zone = bucket.zone()
    zone.write("activity", HOUR, "a.csv", b"")
    (item,) = zone.objects("activity")
    assert zone.read(item, max_bytes=10)[1] == b""
    assert zone.holds("activity", HOUR, "a.csv", b"")


def test_an_object_that_is_gone_says_so(bucket: Bucket) -> None:
    zone = bucket.zone()
    zone.write("activity", HOUR, "jane.csv", b"x")
    (item,) = zone.objects("activity")
    bucket.remove(item.path)
    with pytest.raises(VanishedObject) as caught:
        zone.read(item)
    assert "jane" not in str(caught.value)
    assert not zone.holds("activity", HOUR, "jane.csv", b"x")


def test_an_object_replaced_again_and_again_is_left_for_later(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    zone, uploader = bucket.zone(), bucket.zone()
    zone.write("activity", HOUR, "a.csv", b"version 0")
    (item,) = zone.objects("activity")
    read, versions = zone._storage.read, iter(range(1, 99))

    def read_then_replace(path: str, etag: str) -> bytes:
        data = read(path, etag)
        uploader.write("activity", HOUR, "a.csv", f"version {next(versions)}".encode())
        return data

    monkeypatch.setattr(zone._storage, "read", read_then_replace)
    with pytest.raises(UnstableObject):
        zone.read(item)


@pytest.mark.parametrize("opened", [False, True], ids=["before-it-is-opened", "once-it-is-open"])
def test_content_that_came_and_went_during_the_read_is_not_taken_for_what_lies_there(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch, opened: bool
) -> None:
    zone, uploader = bucket.zone(), bucket.zone()
    zone.write("activity", HOUR, "a.csv", b"first")
    (item,) = zone.objects("activity")
    storage = cast("RemoteStorage", zone._storage)
    read, open_file = storage.read, storage._fs.open

    def put(data: bytes) -> None:
        uploader.write("activity", HOUR, "a.csv", data)

    def open_then_replace(*arguments: Any, **options: Any) -> Any:
        file = open_file(*arguments, **options)
        put(b"other")
        return file

    def read_another(path: str, etag: str) -> bytes:
        monkeypatch.setattr(storage, "read", read)
        put(b"first" if opened else b"other")
        with monkeypatch.context() as patch:
            if opened:
                patch.setattr(storage._fs, "open", open_then_replace)
            try:
                return read(path, etag)
            finally:
                put(b"first")

    monkeypatch.setattr(storage, "read", read_another)

    found, data = zone.read(item)

    assert (found.etag, data) == (item.etag, b"first")


@pytest.mark.parametrize(
    "attempt",
    [
        lambda zone: zone.objects("activity"),
        lambda zone: zone.objects("activity", since=HOUR),
        lambda zone: zone.write("activity", HOUR, "jane.csv", b"x"),
    ],
    ids=["list", "list-since", "write"],
)
def test_permission_denied_names_the_place(bucket: Bucket, attempt: Callable[[LandingZone], object]) -> None:
    with pytest.raises(ChurnError, match="permission denied") as caught:
        attempt(bucket.zone("stranger"))
    assert f"{bucket.url}/activity" in str(caught.value)
    assert "jane" not in str(caught.value)


@pytest.mark.parametrize("since", [None, HOUR])
def test_a_bucket_that_does_not_exist_is_an_error(s3: S3, since: datetime | None) -> None:
    zone = LandingZone("s3://no-such-bucket/landing", s3.options())
    with pytest.raises(ChurnError, match=r"no bucket no-such-bucket.*landing\.url"):
        zone.objects("activity", since)


def test_a_server_that_is_down_is_an_error_that_names_the_zone() -> None:
    client = {"endpoint_url": "http://127.0.0.1:9", "region_name": "us-east-1"}
    options = {"key": "k", "secret": "s", "client_kwargs": client, "config_kwargs": {"retries": {"max_attempts": 1}}}
    with pytest.raises(ChurnError, match="s3://bucket/landing/activity: the object store failed"):
        LandingZone("s3://bucket/landing", options).objects("activity")
