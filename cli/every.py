"""Doing something every hour until a person or the system says stop."""

import os
import re
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from types import FrameType

import typer

from churn.log import get_logger
from cli.options import utc_now

log = get_logger(__name__)
_PERIOD = re.compile(r"^(\d{1,4})(m|h|d)$")
_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def period_of(text: str) -> timedelta:
    """Return the time that a word such as `1h`, `30m` or `1d` stands for."""
    match = _PERIOD.match(text)
    period = int(match[1]) * _UNITS[match[2]] if match else timedelta()
    if period < timedelta(minutes=1):
        raise typer.BadParameter(f"{text!r} is no period, such as 1h, 30m or 1d", param_hint="--every")
    return period


def go_on(run: Callable[[datetime], object], *, name: str, period: timedelta, lag: timedelta) -> None:
    """Run now and then `lag` past every period; SIGINT and SIGTERM end it after the run at hand.

    Args:
        run: is given the time it starts at, in a thread of its own.
        name: what the log calls it.
        period: between two runs.
        lag: past each whole multiple of the period.
    """
    with graceful_stop() as wait, ThreadPoolExecutor(max_workers=1, thread_name_prefix=name) as worker:
        repeat(
            lambda now: worker.submit(run, now).result(), name=name, period=period, lag=lag, clock=utc_now, wait=wait
        )
    log.info("stopped")


def next_start(now: datetime, period: timedelta, lag: timedelta) -> datetime:
    """Return the first moment after `now` that lies `lag` past a whole multiple of `period` (counted from 1970)."""
    return EPOCH + ((now - lag - EPOCH) // period + 1) * period + lag


def repeat(
    run: Callable[[datetime], object],
    *,
    name: str,
    period: timedelta,
    lag: timedelta,
    clock: Callable[[], datetime],
    wait: Callable[[float], bool],
) -> None:
    """Run at once, which catches up after downtime, and then `lag` past every period, until `wait` returns true.

    A run that fails is logged and does not end the loop; one that outlasts its period delays the next.

    Args:
        run: is given the time it starts at.
        name: what the log calls it.
        period: between two runs.
        lag: time that uploads of a closed hour are given to settle.
        clock: the present, aware.
        wait: waits so many seconds and tells whether to stop.
    """
    seconds = 0.0
    while not wait(seconds):
        now = clock()
        try:
            run(now)
        except Exception as error:
            log.error(f"{name}_failed", until=now, error=type(error).__name__, message=str(error))
        now = clock()
        seconds = (next_start(now, period, lag) - now).total_seconds()


@contextmanager
def graceful_stop() -> Iterator[Callable[[float], bool]]:
    """Yield a `wait` that ends early, with true, on SIGINT or SIGTERM; a second signal kills at once.

    What runs meanwhile must not run in the main thread: ZenML takes signals over while a step runs there.
    """
    stopping = threading.Event()

    def stop(number: int, _: FrameType | None) -> None:
        if stopping.is_set():
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        stopping.set()
        log.info("stopping", signal=signal.Signals(number).name, note="after the run at hand; a second signal aborts")

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stopping.wait
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
