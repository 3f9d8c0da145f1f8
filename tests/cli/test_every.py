import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from churn.errors import TooManyBadRows
from cli.every import next_start, repeat

HOUR, LAG = timedelta(hours=1), timedelta(minutes=5)
MOMENTS = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))


@given(MOMENTS, st.sampled_from([timedelta(minutes=30), HOUR, timedelta(days=1)]))
def test_the_next_start_is_the_first_lag_past_a_period_after_now(now: datetime, period: timedelta) -> None:
    start = next_start(now, period, LAG)

    assert now < start <= now + period
    since_midnight = start - LAG - start.replace(hour=0, minute=0, second=0, microsecond=0)
    assert since_midnight % period == timedelta()


class Day:
    """A clock that only moves when somebody waits or works, and stops the loop after some waits."""

    def __init__(self, start: datetime, waits: int) -> None:
        self.now, self.waits = start, waits

    def wait(self, seconds: float) -> bool:
        self.now += timedelta(seconds=seconds)
        self.waits -= 1
        return self.waits < 0


def starts(day: Day, work: Callable[[datetime], timedelta]) -> list[str]:
    seen: list[str] = []

    def run(now: datetime) -> None:
        seen.append(f"{now:%H:%M}")
        day.now += work(now)

    repeat(run, name="ingest", period=HOUR, lag=LAG, clock=lambda: day.now, wait=day.wait)
    return seen


TEN_TWENTY = datetime(2026, 3, 1, 10, 20, tzinfo=UTC)


def test_it_catches_up_at_once_and_then_runs_past_every_hour() -> None:
    assert starts(Day(TEN_TWENTY, 4), lambda _: timedelta(minutes=2)) == ["10:20", "11:05", "12:05", "13:05"]


def test_a_run_that_outlasts_its_hour_delays_the_next_and_none_piles_up() -> None:
    assert starts(Day(TEN_TWENTY, 3), lambda _: timedelta(minutes=130)) == ["10:20", "13:05", "16:05"]


def test_a_failed_run_does_not_end_the_loop() -> None:
    def work(_: datetime) -> timedelta:
        raise TooManyBadRows("30 of 30 rows are bad")

    assert starts(Day(TEN_TWENTY, 2), work) == ["10:20", "11:05"]


LOOP = """
    import sys, time
    from concurrent.futures import ThreadPoolExecutor
    from datetime import datetime, timedelta, UTC
    from cli.every import graceful_stop, repeat

    def run(now):
        print("begin", flush=True)
        time.sleep(float(sys.argv[1]))
        print("end", flush=True)

    with graceful_stop() as wait, ThreadPoolExecutor(1) as worker:
        repeat(lambda now: worker.submit(run, now).result(), name="loop", period=timedelta(hours=1), lag=timedelta(),
               clock=lambda: datetime.now(UTC), wait=wait)
    print("stopped", flush=True)
"""


@pytest.fixture
def loop(project_root: Path) -> Callable[[float], subprocess.Popen[str]]:
    def start(seconds: float) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", textwrap.dedent(LOOP), str(seconds)]
        process = subprocess.Popen(
            command, cwd=project_root, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert process.stdout
        assert process.stdout.readline() == "begin\n"
        return process

    return start


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_lets_the_run_at_hand_finish(
    loop: Callable[[float], subprocess.Popen[str]], number: signal.Signals
) -> None:
    process = loop(0.5)

    process.send_signal(number)

    assert process.communicate(timeout=30)[0] == "end\nstopped\n"
    assert process.returncode == 0


def test_a_second_signal_aborts(loop: Callable[[float], subprocess.Popen[str]]) -> None:
    process = loop(60)

    process.send_signal(signal.SIGTERM)
    deadline = time.monotonic() + 20
    while process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.1)
        os.kill(process.pid, signal.SIGTERM)

    assert process.communicate(timeout=30)[0] == ""
    assert process.returncode == -signal.SIGTERM
