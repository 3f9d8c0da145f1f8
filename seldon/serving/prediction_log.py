"""The prediction log: what was asked and answered, as landing objects that the normal ingestion takes in.

A request only puts its rows in a queue. One thread encodes and compresses them and writes an object every few seconds;
while the place cannot be written to, finished objects wait in memory. What fits neither in the queue nor in that
memory is dropped and counted: no request waits for the log, or fails because of it.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

import orjson
from isal import isal_zlib

from seldon.serving.answer import Identity, Scored
from seldon.serving.columns import Rows
from seldon.serving.landing import Landing
from seldon.serving.limits import LogLimits
from seldon.serving.metrics import Metrics

_GZIP: Final = 31
_LEVEL: Final = 1
"""Compresses records, which repeat their columns, to a quarter, at a quarter of what zlib costs."""
_PAUSE: Final = 0.25
_SLICE: Final = 200
"""Rows encoded before the bytes go through the compressor."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One answered request; `at` is in seconds since 1970."""

    request_id: str
    customer: str | None
    at: float
    scored: Scored


@dataclass(slots=True)
class _Object:
    """An object that is being made."""

    started: float
    compressor: "isal_zlib.Compress" = field(
        default_factory=lambda: isal_zlib.compressobj(_LEVEL, isal_zlib.DEFLATED, _GZIP)
    )
    parts: list[bytes] = field(default_factory=list)
    rows: int = 0


class PredictionLog:
    """Writes entries from a thread of its own."""

    def __init__(
        self,
        landing: Landing,
        identity: Identity,
        metrics: Metrics,
        limits: LogLimits,
        process: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Start the thread.

        Args:
            landing: takes the objects.
            identity: who answered.
            metrics: counts what is written and dropped.
            limits: how much is held.
            process: tells this process from others of the same track, in the names of its objects.
            clock: seconds since 1970.
        """
        self._landing, self._identity, self._metrics, self._limits = landing, identity, metrics, limits
        self._clock = clock
        self._prefix = f"{identity.deployment}-{identity.track}-{process}"
        self._queue: deque[Entry] = deque()
        # Each is written by one thread alone; their difference is how many rows wait.
        self._put = self._taken = 0
        self._object: _Object | None = None
        self._pending: deque[tuple[str, bytes, int]] = deque()
        self._sequence = 0
        self._wake = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="prediction-log", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Rows that are not in a written object yet."""
        held = self._object.rows if self._object is not None else 0
        return self._put - self._taken + held + sum(rows for _, _, rows in tuple(self._pending))

    def put(self, entry: Entry) -> None:
        """Take an entry, or drop it when too many wait."""
        rows = len(entry.scored.scores)
        if self._put - self._taken + rows > self._limits.queue:
            self._metrics.log_dropped.inc(rows)
            return
        self._put += rows
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
            self._encode()
            self._finish(now=stopped)
            self._write()

    def _encode(self) -> None:
        """Encode the entries that are there now."""
        left = len(self._queue)
        while left:
            target = self._object = self._object or _Object(self._clock())
            lines: list[bytes] = []
            while left and len(lines) < _SLICE:
                lines += encode(self._queue.popleft(), self._identity)
                left -= 1
            target.parts.append(target.compressor.compress(b"\n".join(lines) + b"\n"))
            target.rows += len(lines)
            self._taken += len(lines)
            self._finish(now=target.rows >= self._limits.rows)

    def _finish(self, *, now: bool) -> None:
        """Turn what was encoded into an object, if it is old enough."""
        target = self._object
        if target is None or not (now or self._clock() - target.started >= self._limits.seconds):
            return
        content = b"".join([*target.parts, target.compressor.flush()])
        hour = datetime.fromtimestamp(self._clock(), UTC)
        self._sequence += 1
        path = f"predictions/dt={hour:%Y-%m-%d}/hour={hour:%H}/{self._prefix}-{self._sequence:06d}.jsonl.gz"
        self._pending.append((path, content, target.rows))
        self._object = None

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


def encode(entry: Entry, identity: Identity) -> list[bytes]:
    """Return one record a row, as `churn/contracts/predictions.yaml` has them.

    Rows of customers who were asked for by token are about one each, whoever the request's header names.

    Features are written with the digits of a float32, which is what the model saw of them; the score with nine
    decimals. More digits would say nothing, and cost the ingestion a slower way of reading.
    """
    scored = entry.scored
    whom = scored.rows.customers
    request = orjson.dumps(
        {
            "request_id": entry.request_id,
            **({} if whom is not None else {"customer_id": entry.customer}),
            "event_time": datetime.fromtimestamp(entry.at, UTC).isoformat(timespec="microseconds"),
            "deployment": identity.deployment,
            "track": identity.track,
            "model_version": identity.version,
            "bundle_digest": identity.digest,
            "latency_ms": scored.latency_ms,
        }
    )
    event = f"{entry.request_id}-{identity.track}".encode()
    begins = [request[:-1]] * len(scored.scores)
    if whom is not None:
        begins = [b'%b,"customer_id":"%b"' % (begin, token.encode()) for begin, token in zip(begins, whom, strict=True)]
    return [
        b'%b,"event_id":"%b-%d","row":%d,"score":%.9f,"contacted":%b,"features":%b}'
        % (begin, event, row, row, score, b"true" if contacted else b"false", features)
        for row, (begin, score, contacted, features) in enumerate(
            zip(begins, scored.scores, scored.contacted, _features(scored.rows), strict=True)
        )
    ]


def _features(rows: Rows) -> Iterator[bytes]:
    """Write the given columns of each row as a JSON object."""
    plan, missing = rows.plan, rows.missing
    numbers = rows.numbers if plan.place is None else rows.numbers[:, plan.place]
    values = orjson.dumps(numbers.ravel(), option=orjson.OPT_SERIALIZE_NUMPY)[1:-1].split(b",")
    width = numbers.shape[1]
    pieces = list(plan.pieces)
    for i, texts in enumerate(rows.texts):
        given = (texts[place] for _, place, _ in plan.texts)
        codes = (b"null" if text == missing else orjson.dumps(text) for text in given)
        pieces[1::2] = [*values[i * width : (i + 1) * width], *codes]
        yield b"".join(pieces)
