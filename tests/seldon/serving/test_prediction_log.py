import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from seldon.serving import prediction_log
from seldon.serving.columns import Columns
from seldon.serving.landing import Folder
from seldon.serving.limits import LogLimits
from seldon.serving.metrics import Metrics
from seldon.serving.model import Model
from seldon.serving.prediction_log import PredictionLog
from seldon.serving.records import Entry, Features, Records
from tests.seldon.serving.cases import NAMES, ROW
from tests.seldon.serving.conftest import IDENTITY, TOKEN, entry_of
from tests.seldon.serving.published import until


class Blocked:
    """A place that takes nothing until it is let go; then it fails for a while."""

    def __init__(self, failures: int = 0) -> None:
        self.free = threading.Event()
        self.failures = failures
        self.objects: dict[str, bytes] = {}

    def write(self, path: str, content: bytes) -> None:
        self.free.wait(20)
        if self.failures:
            self.failures -= 1
            raise OSError(28, "No space left on device")
        self.objects[path] = content

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.objects.values())


def counted(metrics: Metrics, outcome: str) -> float:
    [line] = [line for line in metrics.text().decode().splitlines() if f'records_total{{outcome="{outcome}"}}' in line]
    return float(line.split()[-1])


def test_a_place_that_hangs_lets_few_rows_wait_and_others_are_counted(entry: Entry, features: Features) -> None:
    place, metrics = Blocked(), Metrics(IDENTITY)
    log = PredictionLog(place, IDENTITY, features, metrics, LogLimits(seconds=0, rows=4, queue=6), "p")
    log.put(entry)
    time.sleep(0.6)  # the thread now waits for the place

    for _ in range(8):
        log.put(entry)
    assert counted(metrics, "dropped") == 6
    place.free.set()
    log.close(10)

    assert counted(metrics, "written") == 12
    assert log.waiting == 0


def test_of_requests_that_come_together_the_first_find_room(model: Model, features: Features) -> None:
    # Given room for five rows, and four requests of two rows each that were scored together
    rows = Columns(model, 100).read(NAMES, [ROW, ROW], "rows", lambda: False)
    together = entry_of(model, ["a", "b", "c", "d"], [None] * 4, [rows] * 4, scores=[row / 10 for row in range(8)])
    place, metrics = Blocked(), Metrics(IDENTITY)
    place.free.set()
    log = PredictionLog(place, IDENTITY, features, metrics, LogLimits(rows=1, queue=4), "p")

    # When they come at once
    log.put(together)
    log.close(10)

    # Then two of them are logged as they were answered, and the rows of the others counted as dropped
    assert (counted(metrics, "written"), counted(metrics, "dropped")) == (4, 4)
    logged = pl.read_parquet(next(iter(place)))
    assert logged["request_id"].to_list() == ["a", "a", "b", "b"]
    assert logged["score"].to_list() == [0.0, 0.1, 0.2, 0.3]


def test_what_comes_while_a_file_is_made_waits_for_nothing_and_is_in_the_next(
    entry: Entry, features: Features, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a file that is being made, for as long as we like
    whole, begun, free = Records.to_parquet, threading.Event(), threading.Event()

    def slow(self: Records) -> bytes:
        begun.set()
        assert free.wait(20)
        return whole(self)

    monkeypatch.setattr(Records, "to_parquet", slow)
    place, metrics = Blocked(), Metrics(IDENTITY)
    place.free.set()
    log = PredictionLog(place, IDENTITY, features, metrics, LogLimits(seconds=0), "p")
    log.put(entry._replace(ids=["first"]))
    assert begun.wait(20)

    # When more comes
    for name in ("second", "third"):
        log.put(entry._replace(ids=[name]))
    waiting = log.waiting
    free.set()
    log.close(10)

    # Then nobody had to wait for the file, and everything is there once
    assert waiting == 6
    files = [pl.read_parquet(content)["request_id"].unique(maintain_order=True).to_list() for content in place]
    assert files == [["first"], ["second", "third"]]
    assert counted(metrics, "dropped") == 0


def test_nothing_is_lost_where_files_begin_while_rows_come(
    model: Model, features: Features, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a thread that makes a file whenever it can, and an interpreter that changes threads all the time
    monkeypatch.setattr(prediction_log, "_PAUSE", 0.0)
    rows = Columns(model, 100).read(NAMES, [ROW], "rows", lambda: False)
    place, metrics = Blocked(), Metrics(IDENTITY)
    place.free.set()
    log = PredictionLog(place, IDENTITY, features, metrics, LogLimits(seconds=0), "p")
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)

    # When many requests come
    try:
        names = [f"r-{i}" for i in range(3_000)]
        for name in names:
            log.put(entry_of(model, [name], [TOKEN], [rows]))
    finally:
        sys.setswitchinterval(usual)
    log.close(10)

    # Then each is in some file, once, and there were several
    logged = [name for content in place for name in pl.read_parquet(content)["event_id"]]
    assert logged == [f"{name}-canary-0" for name in names]
    assert counted(metrics, "dropped") == 0
    assert len(place.objects) > 3


@pytest.mark.parametrize("part", ["add", "to_parquet"])
def test_what_cannot_be_collected_is_counted_and_the_log_goes_on(
    entry: Entry, features: Features, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    whole, failures = getattr(Records, part), iter([True])

    def without_memory(self: Records, *given: object) -> object:
        if next(failures, False):
            raise MemoryError
        return whole(self, *given)

    monkeypatch.setattr(Records, part, without_memory)
    place, metrics = Blocked(), Metrics(IDENTITY)
    place.free.set()
    log = PredictionLog(place, IDENTITY, features, metrics, LogLimits(seconds=0), "p")

    log.put(entry)
    deadline = time.monotonic() + 10
    while not counted(metrics, "dropped") and time.monotonic() < deadline:
        time.sleep(0.02)
    log.put(entry)
    log.close(10)

    assert (counted(metrics, "dropped"), counted(metrics, "written"), log.waiting) == (2, 2, 0)


def test_an_object_that_is_large_enough_is_written_at_once(
    entry: Entry, features: Features, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prediction_log, "_PAUSE", 60)
    place, metrics = Blocked(), Metrics(IDENTITY)
    place.free.set()
    log = PredictionLog(place, IDENTITY, features, metrics, LogLimits(seconds=60, rows=4), "p")

    log.put(entry)
    time.sleep(0.2)
    assert not place.objects
    log.put(entry)

    until(lambda: bool(place.objects))
    assert [pl.read_parquet(content).height for content in place] == [4]
    log.close(10)


def test_an_entry_that_fails_halfway_takes_what_was_collected_along_and_no_more(
    entry: Entry, features: Features
) -> None:
    # Given rows that were collected, and an entry that fails when some of its columns were added
    place, metrics = Blocked(), Metrics(IDENTITY)
    place.free.set()
    log = PredictionLog(place, IDENTITY, features, metrics, LogLimits(), "p")
    log.put(entry._replace(ids=["before"]))

    # When it comes, and more after it
    log.put(entry._replace(contacted=["neither"]))  # type: ignore[list-item]
    log.put(entry._replace(ids=["after"]))
    log.close(10)

    # Then all rows are accounted for, and the file can be read
    assert (counted(metrics, "dropped"), counted(metrics, "written"), log.waiting) == (4, 2, 0)
    [content] = place
    assert pl.read_parquet(content)["request_id"].to_list() == ["after"] * 2


def test_a_place_that_fails_is_tried_again(entry: Entry, features: Features) -> None:
    place, metrics = Blocked(failures=2), Metrics(IDENTITY)
    place.free.set()
    log = PredictionLog(place, IDENTITY, features, metrics, LogLimits(seconds=0), "p")

    log.put(entry)
    deadline = time.monotonic() + 10
    while not place.objects and time.monotonic() < deadline:
        time.sleep(0.02)
    log.close(10)

    [path] = place.objects
    hour = datetime.now(UTC)
    assert path.startswith(f"predictions/dt={hour:%Y-%m-%d}/hour=")
    assert path.endswith("churn-canary-p-000001.parquet")
    assert (counted(metrics, "written"), counted(metrics, "dropped")) == (2, 0)


def test_a_place_that_stays_away_costs_bounded_memory_and_is_counted(entry: Entry, features: Features) -> None:
    place, metrics = Blocked(failures=10**6), Metrics(IDENTITY)
    place.free.set()
    log = PredictionLog(place, IDENTITY, features, metrics, LogLimits(seconds=0, pending=500), "p")

    for _ in range(4):
        log.put(entry)
        time.sleep(0.35)
    dropped_before_the_end = counted(metrics, "dropped")
    log.close(10)

    assert dropped_before_the_end > 0
    assert counted(metrics, "dropped") == 8


def test_a_place_that_hangs_does_not_hold_up_the_end(entry: Entry, features: Features) -> None:
    place, metrics = Blocked(), Metrics(IDENTITY)
    log = PredictionLog(place, IDENTITY, features, metrics, LogLimits(seconds=0), "p")
    log.put(entry)

    begun = time.monotonic()
    log.close(0.5)

    assert time.monotonic() - begun < 5
    assert counted(metrics, "dropped") == 2
    place.free.set()


def test_an_object_is_never_seen_half_written(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    (tmp_path / "predictions").mkdir()
    (tmp_path / "predictions" / "dt=1").write_text("in the way")

    with pytest.raises(OSError, match="dt=1"):
        folder.write("predictions/dt=1/x.parquet", b"content")
    folder.write("predictions/dt=2/x.parquet", b"content")

    assert [path.name for path in (tmp_path / "predictions" / "dt=2").iterdir()] == ["x.parquet"]
