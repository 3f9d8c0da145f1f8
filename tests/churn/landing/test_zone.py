import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import fsspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from churn.errors import ChurnError, UnreadableObject
from churn.landing.zone import LandingZone, UnstableObject, VanishedObject

HOUR = datetime(2026, 3, 29, 1, tzinfo=UTC)
FOLDER = "activity/dt=2026-03-29/hour=01"


@pytest.fixture
def zone(tmp_path: Path) -> LandingZone:
    return LandingZone(str(tmp_path))


@pytest.fixture(params=["path", "file", "memory"])
def any_zone(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LandingZone]:
    if request.param == "memory":
        store = fsspec.filesystem("memory")
        yield LandingZone(f"memory://{tmp_path}/landing")
        store.rm(str(tmp_path), recursive=True) if store.exists(str(tmp_path)) else None
    else:
        yield LandingZone(str(tmp_path) if request.param == "path" else f"file://{tmp_path}")


def test_a_zone_without_a_folder_is_empty(any_zone: LandingZone) -> None:
    assert any_zone.objects("activity") == []
    assert any_zone.objects("activity", since=HOUR) == []
    assert any_zone.strays("activity") == []


def test_what_was_written_is_listed_and_read_back(any_zone: LandingZone) -> None:
    any_zone.write("activity", HOUR, "a.jsonl.gz", b"first")
    any_zone.write("customers", HOUR, "b.parquet", b"other")

    (found,) = any_zone.objects("activity")

    assert (found.path, found.hour, found.name) == (f"{FOLDER}/a.jsonl.gz", HOUR, "a.jsonl.gz")
    assert (found.format, found.compressed, found.size) == ("jsonl", True, 5)
    assert any_zone.read(found) == (found, b"first")
    assert any_zone.etag(found) == found.etag


def test_a_new_object_is_seen_at_once_and_a_replaced_one_has_another_etag(any_zone: LandingZone) -> None:
    any_zone.write("activity", HOUR, "a.csv", b"one")
    (before,) = any_zone.objects("activity")
    any_zone.write("activity", HOUR, "b.csv", b"two")
    any_zone.write("activity", HOUR, "a.csv", b"ONE")
    after, added = any_zone.objects("activity")
    assert added.name == "b.csv"
    assert after.etag != before.etag
    assert any_zone.etag(before) == after.etag


def test_objects_come_by_hour_and_path(any_zone: LandingZone) -> None:
    for hours, name in [(2, "a.csv"), (0, "z.csv"), (-1, "m.csv"), (0, "b.csv")]:
        any_zone.write("activity", HOUR + timedelta(hours=hours), name, b"")
    assert [item.name for item in any_zone.objects("activity")] == ["m.csv", "b.csv", "z.csv", "a.csv"]


def test_since_leaves_out_earlier_hours(any_zone: LandingZone) -> None:
    for hours in (-30, -1, 0, 5):
        any_zone.write("activity", HOUR + timedelta(hours=hours), "a.csv", b"")
    found = any_zone.objects("activity", since=HOUR + timedelta(minutes=59))
    assert [item.hour for item in found] == [HOUR, HOUR + timedelta(hours=5)]


def test_since_does_not_look_at_older_days(zone: LandingZone, tmp_path: Path) -> None:
    stray = tmp_path / "activity" / "dt=2026-03-28" / "lost.csv"
    stray.parent.mkdir(parents=True)
    stray.touch()
    zone.write("activity", HOUR, "a.csv", b"")
    assert zone.strays("activity", since=HOUR) == []
    assert zone.strays("activity") == ["activity/dt=2026-03-28/lost.csv"]


@given(
    written=st.sets(st.tuples(st.integers(0, 100), st.sampled_from(["a.csv", "b.jsonl", "c.parquet"]))),
    since=st.integers(-5, 105),
)
def test_since_gives_the_end_of_the_whole_listing(
    tmp_path_factory: pytest.TempPathFactory, written: set[tuple[int, str]], since: int
) -> None:
    zone = LandingZone(str(tmp_path_factory.mktemp("zone")))
    for hours, name in written:
        zone.write("activity", HOUR + timedelta(hours=hours), name, b"")
    start = HOUR + timedelta(hours=since)
    everything = zone.objects("activity")
    assert len(everything) == len(written)
    assert zone.objects("activity", since=start) == [item for item in everything if item.hour >= start]


def test_misplaced_files_are_strays_and_hidden_ones_are_passed_over(any_zone: LandingZone) -> None:
    any_zone.write("activity", HOUR, "a.csv", b"")
    store, root = fsspec.core.url_to_fs(any_zone.url)
    for path in ("readme.txt", "dt=2026-13-01/hour=01/a.csv", "dt=2026-03-29/hour=01/a.xlsx"):
        store.pipe_file(f"{root}/activity/{path}", b"x") if any_zone.url.startswith("memory") else put(root, path)
    for path in ("_SUCCESS", "dt=2026-03-29/hour=01/.b.csv", "dt=2026-03-29/hour=01/c.csv.tmp", "_tmp/d.csv"):
        store.pipe_file(f"{root}/activity/{path}", b"x") if any_zone.url.startswith("memory") else put(root, path)

    assert [item.name for item in any_zone.objects("activity")] == ["a.csv"]
    assert any_zone.strays("activity") == [
        "activity/dt=2026-03-29/hour=01/a.xlsx",
        "activity/dt=2026-13-01/hour=01/a.csv",
        "activity/readme.txt",
    ]


def put(root: str, path: str) -> None:
    target = Path(root) / "activity" / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(b"x")


def test_the_repr_hides_what_the_uploader_chose(zone: LandingZone) -> None:
    zone.write("activity", HOUR, "jane.doe@example.com.csv", b"")
    assert "jane" not in repr(zone.objects("activity"))
    assert "jane" not in repr(zone.listing("activity"))


def test_a_partly_written_object_is_never_listed(zone: LandingZone, tmp_path: Path) -> None:
    names: set[str] = set()
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            for item in zone.objects("activity"):
                names.add(item.name)
                assert item.size == 200_000
            assert zone.strays("activity") == []

    watcher = threading.Thread(target=look)
    watcher.start()
    for number in range(50):
        zone.write("activity", HOUR, f"{number % 5}.csv", bytes(200_000))
    done.set()
    watcher.join()
    assert names <= {f"{number}.csv" for number in range(5)}
    assert sorted(path.name for path in (tmp_path / FOLDER).iterdir()) == [f"{number}.csv" for number in range(5)]


def test_a_failed_write_leaves_nothing_behind(zone: LandingZone, tmp_path: Path) -> None:
    (tmp_path / FOLDER / "a.csv").mkdir(parents=True)
    with pytest.raises(ChurnError):
        zone.write("activity", HOUR, "a.csv", b"data")
    assert [path.name for path in (tmp_path / FOLDER).iterdir()] == ["a.csv"]


@pytest.mark.parametrize("name", ["../a.csv", "a/b.csv", ".a.csv", "a.txt", "a\n.csv"])
def test_a_name_off_the_layout_is_not_written(zone: LandingZone, tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="layout"):
        zone.write("activity", HOUR, name, b"")
    assert list(tmp_path.rglob("*.csv")) == []


def test_a_large_object_is_refused_before_all_of_it_is_read(any_zone: LandingZone) -> None:
    any_zone.write("activity", HOUR, "a.csv", bytes(1_000))
    (item,) = any_zone.objects("activity")
    assert any_zone.read(item, max_bytes=1_000) == (item, bytes(1_000))
    with pytest.raises(UnreadableObject, match="999 bytes") as caught:
        any_zone.read(item, max_bytes=999)
    assert caught.value.reason == "too_large"


def test_an_object_that_is_gone_says_so_without_its_name(any_zone: LandingZone, tmp_path: Path) -> None:
    any_zone.write("activity", HOUR, "jane.csv", b"x")
    (item,) = any_zone.objects("activity")
    store, root = fsspec.core.url_to_fs(any_zone.url)
    store.rm(f"{root}/{item.path}")
    for attempt in (any_zone.read, any_zone.etag):
        with pytest.raises(VanishedObject, match="dt=2026-03-29/hour=01") as caught:
            attempt(item)
        assert "jane" not in str(caught.value)
        assert caught.value.__cause__ is None


def replacing(zone: LandingZone, monkeypatch: pytest.MonkeyPatch, times: int) -> list[bytes]:
    """Let an uploader replace the object right after each of the next reads."""
    storage = zone._storage
    read = storage.read
    versions: list[bytes] = []

    def read_then_replace(path: str, etag: str) -> bytes:
        data = read(path, etag)
        if len(versions) < times:
            versions.append(f"version {len(versions) + 2}".encode())
            storage.write(path, versions[-1])
        return data

    monkeypatch.setattr(storage, "read", read_then_replace)
    return versions


def test_an_object_replaced_while_being_read_is_read_again(
    any_zone: LandingZone, monkeypatch: pytest.MonkeyPatch
) -> None:
    any_zone.write("activity", HOUR, "a.csv", b"version 1")
    (item,) = any_zone.objects("activity")
    replacing(any_zone, monkeypatch, times=2)
    found, data = any_zone.read(item)
    assert data == b"version 3"
    assert found.etag == any_zone.etag(item) != item.etag


def test_an_object_replaced_again_and_again_is_left_for_later(
    any_zone: LandingZone, monkeypatch: pytest.MonkeyPatch
) -> None:
    any_zone.write("activity", HOUR, "jane.csv", b"version 1")
    (item,) = any_zone.objects("activity")
    replacing(any_zone, monkeypatch, times=99)
    with pytest.raises(UnstableObject, match="next run") as caught:
        any_zone.read(item)
    assert "jane" not in str(caught.value)


def test_content_that_came_and_went_during_the_read_is_not_taken_for_what_lies_there(
    zone: LandingZone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    zone.write("activity", HOUR, "a.csv", b"first")
    (item,) = zone.objects("activity")
    path, aside = tmp_path / item.path, tmp_path / "aside"
    storage, read = zone._storage, zone._storage.read

    def read_another(*arguments: str) -> bytes:
        monkeypatch.setattr(storage, "read", read)
        path.rename(aside)
        path.write_bytes(b"other")
        try:
            return read(*arguments)
        finally:
            aside.rename(path)

    monkeypatch.setattr(storage, "read", read_another)

    assert zone.read(item) == (item, b"first")


def test_holds_compares_every_byte(any_zone: LandingZone) -> None:
    any_zone.write("activity", HOUR, "a.csv", b"data")
    assert any_zone.holds("activity", HOUR, "a.csv", b"data")
    assert not any_zone.holds("activity", HOUR, "a.csv", b"dat")
    assert not any_zone.holds("activity", HOUR, "a.csv", b"data ")
    assert not any_zone.holds("activity", HOUR, "b.csv", b"data")


@pytest.mark.parametrize("link", ["file", "hour", "day", "stream"])
def test_symlinks_lead_nowhere(tmp_path: Path, link: str) -> None:
    outside = tmp_path / "outside"
    target = {"file": "a.csv", "hour": "", "day": "hour=01", "stream": "dt=2026-03-29/hour=01"}[link]
    (outside / target).parent.mkdir(parents=True, exist_ok=True)
    if link != "file":
        (outside / target).mkdir(parents=True, exist_ok=True)
    (outside / target / "a.csv" if link != "file" else outside / "a.csv").write_bytes(b"secret")
    at = (
        tmp_path
        / "landing"
        / {"file": f"{FOLDER}/a.csv", "hour": FOLDER, "day": FOLDER[:22], "stream": "activity"}[link]
    )
    at.parent.mkdir(parents=True)
    at.symlink_to(outside / "a.csv" if link == "file" else outside)
    zone = LandingZone(str(tmp_path / "landing"))

    assert zone.objects("activity") == []
    assert zone.objects("activity", since=HOUR) == []
    assert zone.strays("activity") == [str(at.relative_to(tmp_path / "landing"))]


@pytest.mark.parametrize("depth", range(4))
def test_a_folder_swapped_for_a_symlink_after_the_listing_is_not_followed(tmp_path: Path, depth: int) -> None:
    root = tmp_path / "landing"
    zone = LandingZone(str(root))
    zone.write("activity", HOUR, "a.csv", b"mine")
    (item,) = zone.objects("activity")
    part = root.joinpath(*item.path.split("/")[: depth + 1])
    part.rename(tmp_path / "moved")
    part.symlink_to(tmp_path / "moved")
    with pytest.raises(VanishedObject):
        zone.read(item)


def test_a_landing_zone_may_itself_be_reached_through_a_symlink(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "landing").symlink_to(tmp_path / "disk")
    zone = LandingZone(str(tmp_path / "landing"))
    zone.write("activity", HOUR, "a.csv", b"x")
    assert [zone.read(item)[1] for item in zone.objects("activity")] == [b"x"]


def test_a_pipe_is_a_stray_and_never_opened(zone: LandingZone, tmp_path: Path) -> None:
    zone.write("activity", HOUR, "a.csv", b"x")
    (item,) = zone.objects("activity")
    (tmp_path / item.path).unlink()
    os.mkfifo(tmp_path / item.path)
    assert zone.strays("activity") == [item.path]
    with pytest.raises(VanishedObject):
        zone.read(item)


def test_a_name_that_is_no_text_is_a_stray(zone: LandingZone, tmp_path: Path) -> None:
    zone.write("activity", HOUR, "a.csv", b"x")
    (tmp_path / FOLDER / os.fsdecode(b"\xff.csv")).touch()
    assert [item.name for item in zone.objects("activity")] == ["a.csv"]
    assert len(zone.strays("activity")) == 1


@contextmanager
def as_nobody() -> Iterator[None]:
    """Drop the rights of root, before whom nothing is forbidden."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)


@pytest.mark.parametrize(
    "attempt",
    [
        lambda zone, item: zone.objects("activity"),
        lambda zone, item: zone.objects("activity", since=HOUR),
        lambda zone, item: zone.read(item),
        lambda zone, item: zone.write("activity", HOUR, "jane.csv", b"x"),
    ],
    ids=["list", "list-since", "read", "write"],
)
def test_permission_denied_names_the_place(tmp_path: Path, attempt: Callable[[LandingZone, object], object]) -> None:
    zone = LandingZone(str(tmp_path))
    zone.write("activity", HOUR, "jane.csv", b"x")
    (item,) = zone.objects("activity")
    (tmp_path / "activity").chmod(0o000)
    try:
        with as_nobody(), pytest.raises(ChurnError, match="permission denied") as caught:
            attempt(zone, item)
    finally:
        (tmp_path / "activity").chmod(0o755)
    assert str(tmp_path / "activity") in str(caught.value)
    assert "jane" not in str(caught.value)
