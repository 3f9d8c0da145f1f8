"""The prediction log: what was asked and answered, as landing objects that the normal ingestion takes in.

The event loop adds a request's rows to the columns of the next object; a thread that did it would contend with it for
the interpreter, and answers would come later. The thread makes a file of them every few seconds and writes it; while
the place cannot be written to, files wait in memory. What fits neither in the columns nor in that memory is dropped and
counted: no request waits for the place, or fails because of it.
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
        self._object: Records | None = None
        self._taking = threading.Lock()
        """Held for no longer than it takes to add an entry to the object, or to take that away."""
        self._finishing = 0
        self._pending: deque[tuple[str, bytes, int]] = deque()
        self._sequence = 0
        self._wake = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="prediction-log", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Rows that are not in a written object yet."""
        return self._collected + self._finishing + sum(rows for _, _, rows in tuple(self._pending))

    @property
    def _collected(self) -> int:
        collected = self._object
        return collected.rows if collected is not None else 0

    def put(self, entry: Entry) -> None:
        """Take an entry; of requests for which there is no room any more the rows are dropped."""
        room = self._limits.rows + self._limits.queue - self._collected
        if len(entry.scores) > room:
            whole, entry = entry, entry.first(room)
            self._metrics.log_dropped.inc(len(whole.scores) - len(entry.scores))
        if entry.ids:
            with self._taking:
                self._add(entry)
        if self._collected >= self._limits.rows:
            self._wake.set()

    def _add(self, entry: Entry) -> None:
        try:
            self._object = self._object or Records(self._identity, self._features, self._clock())
            self._object.add(entry)
        except Exception:
            lost, self._object = self._collected + len(entry.scores), None  # no torn object may become a file
            self._lose(lost)

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
                self._finish(now=stopped)
            except Exception:
                self._lose(self._finishing)
            self._finishing = 0
            self._write()

    def _finish(self, *, now: bool) -> None:
        """Turn what was collected into a file, if it is old or large enough; what comes in then is for the next one."""
        at = self._clock()
        with self._taking:
            target = self._object
            if target is None:
                return
            if not (now or target.rows >= self._limits.rows or at - target.started >= self._limits.seconds):
                return
            self._object, self._finishing = None, target.rows
        content = target.to_parquet()
        hour = datetime.fromtimestamp(self._clock(), UTC)
        self._sequence += 1
        path = f"predictions/dt={hour:%Y-%m-%d}/hour={hour:%H}/{self._prefix}-{self._sequence:06d}.parquet"
        self._pending.append((path, content, target.rows))

    def _lose(self, rows: int) -> None:
        """Count what is gone because memory ran out, or the like; the log goes on."""
        self._metrics.log_failures.inc()
        self._metrics.log_dropped.inc(rows)

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
