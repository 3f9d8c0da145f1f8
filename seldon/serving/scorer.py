"""Requests that came at the same time are scored in one run of the model, which costs little more than one of them."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from itertools import accumulate, islice
from typing import Final

from msgspec import Struct

from seldon.serving.answer import Scored
from seldon.serving.columns import MANY, Rows
from seldon.serving.model import Model
from seldon.serving.prediction_log import PredictionLog
from seldon.serving.records import Entry
from seldon.serving.request import Request
from seldon.serving.tally import Tally

_FULL: Final = 64
"""Rows with which a run begins, whoever else may come; it takes the request that reaches them, and no further one."""


class _Asked(Struct, frozen=True):
    """Rows of a request that came at `started`, and who waits for their scores."""

    rows: Rows
    request: Request
    started: float
    scored: asyncio.Future[Scored]


class Scorer:
    """Scores, counts and logs.

    A request that is alone is scored at once. Of several, those go together that the event loop has read by the time
    when it meets no further one, or when they are enough; nobody waits for what has not arrived. No score depends on
    whose rows stand beside it.
    """

    def __init__(self, model: Model, tally: Tally, log: PredictionLog | None, clock: Callable[[], float]) -> None:
        """Bind the parts together.

        Args:
            model: checked and warm.
            tally: counts rows.
            log: takes every prediction, if there is one.
            clock: seconds since 1970; dates predictions.
        """
        self._model, self._tally, self._log, self._clock = model, tally, log, clock
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: list[_Asked] = []
        self._rows = self._seen = 0
        self.in_flight: Callable[[], int] = lambda: 0
        """Requests accepted and not answered, of which only the process around the application knows."""

    def score(self, rows: Rows, request: Request, started: float) -> Awaitable[Scored]:
        """Score the rows of one request; it came at `started`, by `time.perf_counter`."""
        loop = self._loop = self._loop or asyncio.get_running_loop()
        future: asyncio.Future[Scored] = loop.create_future()
        asked = _Asked(rows, request, started, future)
        if rows.size >= MANY or (not self._waiting and self.in_flight() <= 1):
            future.set_result(self._score([asked])[0])
            return future
        if not self._waiting:
            loop.call_soon(self._run, loop)
        self._waiting.append(asked)
        self._rows += rows.size
        return future

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        """Score what waits, unless others came since the last look and there may be more."""
        waiting = self._waiting
        if self._seen < len(waiting) < self.in_flight() and self._rows < _FULL:
            self._seen = len(waiting)
            loop.call_soon(self._run, loop)
            return
        before = accumulate((asked.rows.size for asked in waiting), initial=0)
        taken = sum(1 for rows in islice(before, len(waiting)) if rows < _FULL)
        together, self._waiting = waiting[:taken], waiting[taken:]
        self._rows -= sum(asked.rows.size for asked in together)
        self._seen = 0
        if self._waiting:
            loop.call_soon(self._run, loop)
        try:
            _hand_out(together, self._score(together))
        except Exception:
            self._score_each(together)

    def _score_each(self, waiting: Sequence[_Asked]) -> None:
        """Let nobody bear what somebody else's rows did."""
        for asked in waiting:
            try:
                _hand_out([asked], self._score([asked]))
            except Exception as error:
                if not asked.scored.done():
                    asked.scored.set_exception(error)

    def _score(self, asked: Sequence[_Asked]) -> list[Scored]:
        given = [one.rows for one in asked]
        counts = [rows.size for rows in given]
        numbers, texts = self._model.matrices(
            sum(counts), [rows.numbers for rows in given], [rows.texts for rows in given]
        )
        exact = self._model.score(numbers, texts)
        scores: list[float] = exact.tolist()
        threshold = self._model.threshold
        contacted = [score >= threshold for score in scores]
        now = time.perf_counter()
        latencies = [round((now - one.started) * 1e7) / 1e4 for one in asked]  # four digits of a millisecond
        if self._log is not None:
            ids = [one.request.id for one in asked]
            customers = [one.rows.customers or one.request.customer for one in asked]
            self._log.put(Entry(ids, customers, counts, latencies, self._clock(), numbers, texts, exact, contacted))
        self._tally.rows += len(scores)
        self._tally.contacted += sum(contacted)
        ends = [*accumulate(counts)]
        return [
            Scored(one.rows, scores[end - count : end], contacted[end - count : end], latency)
            for one, count, end, latency in zip(asked, counts, ends, latencies, strict=True)
        ]


def _hand_out(asked: Sequence[_Asked], scored: Sequence[Scored]) -> None:
    for one, done in zip(asked, scored, strict=True):
        if not one.scored.done():
            one.scored.set_result(done)
