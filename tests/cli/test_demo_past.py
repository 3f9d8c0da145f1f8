import io
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import polars as pl
import pytest

import cli.demo_past
from churn.clock import ProjectClock
from churn.landing.zone import LandingZone
from cli.demo_data import Uploads
from cli.demo_past import Asking, NotAnswered, begin_in_the_past, live_through
from cli.options import warn_of_the_past
from stacks.environment import project_clock

FIRST = datetime(1998, 4, 2, tzinfo=UTC)
HOUR = timedelta(hours=1)


def log(zone: LandingZone, hour: datetime, *requests: str) -> None:
    """Write an object of the prediction log."""
    content = io.BytesIO()
    pl.DataFrame({"event_id": [f"{request}-stable-0" for request in requests], "request_id": requests}).write_parquet(
        content
    )
    zone.write("predictions", hour, f"stable-{'-'.join(requests)}.parquet", content.getvalue())


@pytest.mark.parametrize(
    ("decided", "lives_in_the_past"),
    [([], True), ([FIRST - timedelta(days=1), FIRST], True), ([FIRST, FIRST + timedelta(seconds=1)], False)],
)
def test_a_past_is_lived_through_unless_something_was_decided_since(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, decided: list[datetime], lives_in_the_past: bool
) -> None:
    entries = [SimpleNamespace(at=at) for at in decided]
    monkeypatch.setattr("steps.registry.active_ledger", lambda: SimpleNamespace(entries=lambda: entries))
    clock = ProjectClock(tmp_path / "clock")

    begin_in_the_past(clock, FIRST)

    assert (clock.behind() > timedelta()) == lives_in_the_past


def test_a_person_is_told_of_the_past_and_of_nothing_in_the_present(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CHURN_ROOT", str(tmp_path))
    warn_of_the_past()
    silent = capsys.readouterr()
    project_clock().begin(FIRST)

    warn_of_the_past()

    told = capsys.readouterr()
    assert (silent.out, silent.err, told.out) == ("", "", "")
    assert "it is 1998-04-02 00:00 UTC in this project: make demo goes on from there" in told.err
    assert str(tmp_path / ".churn" / "clock") in told.err


def test_an_hour_is_over_when_all_that_was_asked_in_it_has_landed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, zone, asking = ProjectClock(tmp_path / "clock"), LandingZone(str(tmp_path / "landing")), Asking("", [])
    clock.begin(FIRST)
    monkeypatch.setattr(asking, "ask", lambda: {"first", "second"})
    log(zone, FIRST + HOUR, "first")
    slow = threading.Timer(0.4, log, [zone, FIRST + HOUR, "second"])
    uploads = cast("Uploads", SimpleNamespace(zone=lambda: zone, ingest=lambda until: slow.start()))

    live_through(FIRST, uploads, asking, clock)

    assert clock.now() >= FIRST + HOUR
    assert len(zone.objects("predictions", FIRST + HOUR)) == 2


def test_a_log_that_is_not_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    zone = LandingZone(str(tmp_path / "landing"))
    log(zone, FIRST, "first")
    log(zone, FIRST - HOUR, "second")
    monkeypatch.setattr(cli.demo_past, "_TAKES", 0.1)

    with pytest.raises(NotAnswered, match=r"1 of 2 requests were not logged in 0 s; see churn serve status"):
        Asking("a server", []).wait_for_log(zone, {"first", "second"}, since=FIRST)


@pytest.mark.parametrize("content", [b"", b"PAR1 and no more", b"request_id\nthird\n"])
def test_a_log_that_cannot_be_read_holds_no_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    zone = LandingZone(str(tmp_path / "landing"))
    log(zone, FIRST, "first")
    zone.write("predictions", FIRST, "damaged.parquet", content)
    monkeypatch.setattr(cli.demo_past, "_TAKES", 0.1)

    Asking("a server", []).wait_for_log(zone, {"first"}, since=FIRST)

    with pytest.raises(NotAnswered, match="1 of 2 requests were not logged"):
        Asking("a server", []).wait_for_log(zone, {"first", "third"}, since=FIRST)
