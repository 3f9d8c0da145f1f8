"""The prediction log: what was asked and answered, as landing objects that the normal ingestion takes in.

A request only puts its rows in a queue. One thread collects them as columns and writes an object every few seconds;
while the place cannot be written to, finished objects wait in memory. What fits neither in the queue nor in that
memory is dropped and counted: no request waits for the log, or fails because of it.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from seldon.serving.answer import Identity
from seldon.serving.landing import Landing
from seldon.serving.limits import LogLimits
from seldon.serving.metrics import Metrics
from seldon.serving.records import Entry, Features, Records

_PAUSE: Final = 0.25
_ENTRIES, _ROWS = 200, 2_000
"""Taken at a time: few enough to be done soon, and enough to seldom ask for the interpreter."""


class PredictionLog:
    """Writes entries from a thread of its own."""

    def __init__(
        self,
        landing: Landing,
        identity: Identity,
        features: Features,
        metrics: Metrics,
        limits: LogLimits,
        process: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Start the thread.

        Args:
            landing: takes the objects.
            identity: who answered.
            features: the model's.
            metrics: counts what is written and dropped.
            limits: how much is held.
            process: tells this process from others of the same track, in the names of its objects.
            clock: seconds since 1970.
        """
        self._landing, self._metrics, self._limits = landing, metrics, limits
        self._identity, self._features, self._clock = identity, features, clock
        self._prefix = f"{identity.deployment}-{identity.track}-{process}"
        self._queue: deque[Entry] = deque()
        # Each is written by one thread alone; their difference is how many rows wait.
        self._put = self._taken = 0
        self._object: Records | None = None
        self._adding = self._finishing = 0
        self._pending: deque[tuple[str, bytes, int]] = deque()
        self._sequence = 0
        self._wake = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="prediction-log", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Rows that are not in a written object yet."""
        collecting = self._object
        held = collecting.rows if collecting is not None else 0
        return (
            self._put
            - self._taken
            + held
            + self._adding
            + self._finishing
            + sum(rows for _, _, rows in tuple(self._pending))
        )

    def put(self, entry: Entry) -> None:
        """Take an entry; of requests for which there is no room any more the rows are dropped."""
        room = self._limits.queue - (self._put - self._taken)
        if len(entry.scores) > room:
            whole, entry = entry, entry.first(room)
            self._metrics.log_dropped.inc(len(whole.scores) - len(entry.scores))
        if entry.scores:
            self._put += len(entry.scores)
            self._queue.append(entry)
        if self._put - self._taken > self._limits.queue // 2 and not self._wake.is_set():
            self._wake.set()

    def close(self, seconds: float) -> None:
        """Write everything that waits; what is not written after `seconds` counts as dropped."""
        self._stopping = True
        self._wake.set()
        self._thread.join(seconds)
        if lost := self.waiting:
            self._metrics.log_dropped.inc(lost)

    def _run(self) -> None:
        stopped = False
        while not stopped:
            self._wake.wait(_PAUSE)
            self._wake.clear()
            stopped = self._stopping
            try:
                self._collect()
                self._finish(now=stopped)
            except Exception:
                # Memory may have run out: what was being collected is lost, the log goes on.
                self._give_up()
            self._write()

    def _collect(self) -> None:
        """Take the entries that are there now."""
        left = len(self._queue)
        while left:
            target = self._object = self._object or Records(self._identity, self._features, self._clock())
            some: list[Entry] = []
            rows = 0
            while left and len(some) < _ENTRIES and rows < _ROWS:
                some.append(self._queue.popleft())
                rows += len(some[-1].scores)
                left -= 1
            self._taken += rows
            self._adding = rows
            target.add(some)
            self._adding = 0

    def _finish(self, *, now: bool) -> None:
        """Turn what was collected into an object, if it is old or large enough; what comes in then is for the next."""
        target = self._object
        if target is None:
            return
        if not (now or target.rows >= self._limits.rows or self._clock() - target.started >= self._limits.seconds):
            return
        self._object, self._finishing = None, target.rows
        content = target.to_parquet(self._collect)
        hour = datetime.fromtimestamp(self._clock(), UTC)
        self._sequence += 1
        path = f"predictions/dt={hour:%Y-%m-%d}/hour={hour:%H}/{self._prefix}-{self._sequence:06d}.parquet"
        self._pending.append((path, content, target.rows))
        self._finishing = 0

    def _give_up(self) -> None:
        collecting = self._object
        held = collecting.rows if collecting is not None else 0
        self._metrics.log_failures.inc()
        self._metrics.log_dropped.inc(held + self._adding + self._finishing)
        self._object, self._adding, self._finishing = None, 0, 0

    def _write(self) -> None:
        while self._pending:
            path, content, rows = self._pending[0]
            try:
                self._landing.write(path, content)
            except Exception:
                # A full disk, a store that is down, rights that are missing: each store has errors of its own.
                self._metrics.log_failures.inc()
                break
            self._pending.popleft()
            self._metrics.log_written.inc(rows)
        while sum(len(content) for _, content, _ in self._pending) > self._limits.pending:
            _, _, rows = self._pending.popleft()
            self._metrics.log_dropped.inc(rows)
