"""Doing something every hour until a person or the system says stop."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from types import FrameType

from churn.log import get_logger

log = get_logger(__name__)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def next_start(now: datetime, period: timedelta, lag: timedelta) -> datetime:
    """Return the first moment after `now` that lies `lag` past a whole multiple of `period` (counted from 1970)."""
    return EPOCH + ((now - lag - EPOCH) // period + 1) * period + lag


def repeat(
    run: Callable[[datetime], None],
    *,
    period: timedelta,
    lag: timedelta,
    clock: Callable[[], datetime],
    wait: Callable[[float], bool],
) -> None:
    """Run at once, which catches up after downtime, and then `lag` past every period, until `wait` returns true.

    A run that fails is logged and does not end the loop; one that outlasts its period delays the next.

    Args:
        run: is given the time it starts at.
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
            log.error("ingest_failed", until=now, error=type(error).__name__, message=str(error))
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
