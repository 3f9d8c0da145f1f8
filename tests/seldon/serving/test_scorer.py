import asyncio
import threading
import time
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from seldon.serving.answer import Scored
from seldon.serving.columns import MANY, Columns, Rows
from seldon.serving.landing import Folder
from seldon.serving.limits import LogLimits
from seldon.serving.metrics import Metrics
from seldon.serving.model import Model
from seldon.serving.prediction_log import PredictionLog
from seldon.serving.records import Entry, Features
from seldon.serving.request import Request
from seldon.serving.scorer import Scorer
from tests.seldon.serving.cases import NAMES, PREDICT, ndarray
from tests.seldon.serving.conftest import IDENTITY, Serve

POISON = 666.0


@dataclass
class Runs:
    """A model's session that counts the rows of its runs, of an odd number one more, and fails over some row."""

    session: Any
    sizes: list[int] = field(default_factory=list)

    def run(self, outputs: list[str], feed: dict[str, Any]) -> Any:
        numbers = next(value for value in feed.values() if value.dtype == np.float32)
        self.sizes.append(len(numbers))
        if (numbers == POISON).any():
            raise RuntimeError("out of memory")
        return self.session.run(outputs, feed)


@dataclass
class Bench:
    """A scorer whose number of requests in flight the test sets."""

    model: Model
    runs: Runs
    scorer: Scorer
    metrics: Metrics
    columns: Columns

    def rows(self, *recency: float) -> Rows:
        return self.columns.read(NAMES, [[days, 40.5, "gold", 19.9] for days in recency], "rows", lambda: False)

    def ask(self, name: str, *recency: float) -> Awaitable[Scored]:
        return self.scorer.score(self.rows(*recency), Request(name), time.perf_counter())

    def alone(self, *recency: float) -> list[float]:
        rows = [self.rows(days) for days in recency]
        return [self.model.score(*self.model.matrices(1, [one.numbers], [one.texts]))[0] for one in rows]


@pytest.fixture
def bench(model: Model) -> Bench:
    return bench_of(model)


def bench_of(model: Model, log: PredictionLog | None = None) -> Bench:
    runs, metrics = Runs(model._session), Metrics(IDENTITY)
    scorer = Scorer(replace(model, _session=runs), metrics.tally, log, time.time)
    return Bench(model, runs, scorer, metrics, Columns(model, 1_000))


def log_in(folder: Path, features: Features) -> PredictionLog:
    return PredictionLog(Folder(folder), IDENTITY, features, Metrics(IDENTITY), LogLimits(), "test")


def in_flight(bench: Bench, count: int) -> None:
    bench.scorer.in_flight = lambda: count


async def turns(count: int) -> None:
    """Let the event loop go round."""
    for _ in range(count):
        await asyncio.sleep(0)


def test_requests_that_are_there_at_once_are_scored_in_one_run(bench: Bench) -> None:
    async def ask() -> Sequence[Scored]:
        in_flight(bench, 3)
        return await asyncio.gather(bench.ask("a", 1.0), bench.ask("b", 2.0, 3.0), bench.ask("c", 4.0))

    scored = asyncio.run(ask())

    assert bench.runs.sizes == [4]
    assert [one.scores for one in scored] == [bench.alone(1.0), bench.alone(2.0, 3.0), bench.alone(4.0)]
    assert [len(one.contacted) for one in scored] == [1, 2, 1]
    assert bench.metrics.tally.rows == 4
    assert bench.metrics.tally.contacted == sum(sum(one.contacted) for one in scored)


def test_who_is_alone_waits_for_nobody(bench: Bench) -> None:
    async def ask() -> bool:
        in_flight(bench, 1)
        asked = asyncio.ensure_future(bench.ask("a", 1.0))
        return asked.done()

    assert asyncio.run(ask())


def test_who_comes_while_others_wait_joins_them(bench: Bench) -> None:
    async def ask() -> Sequence[Scored]:
        in_flight(bench, 5)
        first = [bench.ask("a", 1.0), bench.ask("b", 2.0)]
        await turns(1)
        later = [bench.ask("c", 3.0), bench.ask("d", 4.0), bench.ask("e", 5.0)]
        return await asyncio.gather(*first, *later)

    scored = asyncio.run(ask())

    assert bench.runs.sizes == [6]
    assert [one.scores[0] for one in scored] == bench.alone(1.0, 2.0, 3.0, 4.0, 5.0)


@pytest.mark.parametrize(
    ("accepted", "rounds"),
    [
        pytest.param(2, 1, id="everybody is there"),
        pytest.param(100, 4, id="the others are slow to send their bodies"),
    ],
)
def test_nobody_waits_for_a_request_that_does_not_come(bench: Bench, accepted: int, rounds: int) -> None:
    async def ask() -> Sequence[bool]:
        in_flight(bench, accepted)
        asked = [asyncio.ensure_future(bench.ask(name, 1.0)) for name in "ab"]
        await turns(rounds)
        return [one.done() for one in asked]

    assert all(asyncio.run(ask()))
    assert bench.runs.sizes == [2]


def test_each_group_begins_anew(bench: Bench) -> None:
    async def ask() -> None:
        for _ in range(5):
            in_flight(bench, 9)
            first = [bench.ask("a", *[1.0] * 10), bench.ask("b", *[2.0] * 10)]
            await turns(1)
            await asyncio.gather(*first, bench.ask("c", *[3.0] * 10))

    asyncio.run(ask())

    assert bench.runs.sizes == [30] * 5


def test_who_keeps_coming_holds_up_nobody(bench: Bench) -> None:
    async def ask() -> None:
        in_flight(bench, 1_000)
        asked = []
        for turn in range(100):
            asked += [asyncio.ensure_future(bench.ask(f"{turn}", *[1.0] * 8))]
            await turns(1)
        await turns(4)
        assert all(one.done() for one in asked)

    asyncio.run(ask())

    assert sum(bench.runs.sizes) == 800
    assert max(bench.runs.sizes) == 64


def test_of_very_many_at_once_the_first_do_not_wait_for_the_last(bench: Bench) -> None:
    async def ask() -> Sequence[Scored]:
        in_flight(bench, 50)
        asked = [bench.ask(f"{day}", *[float(day)] * 10) for day in range(50)]
        done = await asyncio.wait(map(asyncio.ensure_future, asked), return_when=asyncio.FIRST_COMPLETED)
        assert 7 <= len(done[0]) < 50
        return await asyncio.gather(*asked)

    scored = asyncio.run(ask())

    assert bench.runs.sizes == [70] * 7 + [10]
    assert [one.scores for one in scored] == [bench.alone(*[float(day)] * 10) for day in range(50)]


def test_each_latency_is_from_its_own_request_on(bench: Bench) -> None:
    async def ask() -> Sequence[Scored]:
        in_flight(bench, 2)
        now, rows = time.perf_counter(), bench.rows(1.0)
        asked = [bench.scorer.score(rows, Request("a"), begun) for begun in (now - 60, now)]
        return await asyncio.gather(*asked)

    early, late = asyncio.run(ask())

    assert 60_000 <= early.latency_ms < 120_000
    assert 0 < late.latency_ms < 60_000


def test_many_rows_are_scored_on_their_own(bench: Bench) -> None:
    async def ask() -> Sequence[Scored]:
        in_flight(bench, 3)
        return await asyncio.gather(bench.ask("a", 1.0), bench.ask("b", *[2.0] * MANY), bench.ask("c", 3.0))

    scored = asyncio.run(ask())

    assert sorted(bench.runs.sizes) == [2, MANY]
    assert [one.scores for one in scored] == [bench.alone(1.0), bench.alone(*[2.0] * MANY), bench.alone(3.0)]


def test_rows_that_cannot_be_scored_harm_nobody_else_and_are_not_logged(
    model: Model, features: Features, tmp_path: Path
) -> None:
    log = log_in(tmp_path, features)
    bench = bench_of(model, log)

    async def ask() -> Sequence[Scored | BaseException]:
        in_flight(bench, 3)
        asked = bench.ask("a", 1.0), bench.ask("b", POISON), bench.ask("c", 3.0)
        return await asyncio.gather(*asked, return_exceptions=True)

    first, failed, last = asyncio.run(ask())
    log.close(10)

    assert isinstance(first, Scored)
    assert isinstance(failed, RuntimeError)
    assert isinstance(last, Scored)
    assert [first.scores, last.scores] == [bench.alone(1.0), bench.alone(3.0)]
    assert bench.metrics.tally.rows == 2
    [written] = tmp_path.rglob("*.parquet")
    logged = pl.read_parquet(written)
    assert logged["request_id"].to_list() == ["a", "c"]
    assert logged["score"].to_list() == [first.scores[0], last.scores[0]]


def test_a_log_that_fails_once_leaves_nothing_out_and_nothing_twice(
    model: Model, features: Features, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = log_in(tmp_path, features)
    put, failures = log.put, iter([True])

    def without_memory(entry: Entry) -> None:
        if next(failures, False):
            raise MemoryError
        put(entry)

    monkeypatch.setattr(log, "put", without_memory)
    bench = bench_of(model, log)

    async def ask() -> Sequence[Scored]:
        in_flight(bench, 2)
        return await asyncio.gather(bench.ask("a", 1.0), bench.ask("b", 2.0))

    scored = asyncio.run(ask())
    log.close(10)

    assert [one.scores for one in scored] == [bench.alone(1.0), bench.alone(2.0)]
    assert bench.metrics.tally.rows == 2
    [written] = tmp_path.rglob("*.parquet")
    assert pl.read_parquet(written)["request_id"].to_list() == ["a", "b"]


def test_who_has_gone_harms_nobody_else(bench: Bench) -> None:
    async def ask() -> Scored:
        in_flight(bench, 2)
        gone, stays = asyncio.ensure_future(bench.ask("a", 1.0)), bench.ask("b", 2.0)
        gone.cancel()
        return await stays

    assert asyncio.run(ask()).scores == bench.alone(2.0)
    assert bench.runs.sizes == [2]
    assert bench.metrics.tally.rows == 2


def test_callers_at_once_get_what_they_would_get_alone(serve: Serve, model: Model) -> None:
    # Given a server, and what each row scores when nobody else asks
    server = serve()
    days = [float(day) for day in range(1, 161)]
    alone = dict(zip(days, bench_of(model).alone(*days), strict=True))
    answers: dict[float, Any] = {}

    # When sixteen callers ask at once
    def ask(mine: Sequence[float]) -> None:
        for day in mine:
            asked = ndarray([day, 40.5, "gold", 19.9])
            answers[day] = server.ask(PREDICT, asked, {"x-request-id": f"r-{day:g}"}).json

    callers = [threading.Thread(target=ask, args=(days[at::16],)) for at in range(16)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(60)

    # Then every answer is its own to the last bit, and every prediction is logged once
    assert {day: answer["data"]["ndarray"][0][1] for day, answer in answers.items()} == alone
    assert {day: answer["meta"]["puid"] for day, answer in answers.items()} == {day: f"r-{day:g}" for day in days}
    assert server.metric("churn_rows_total") == len(days)
    assert server.end() == 0
    logged = pl.concat([pl.read_parquet(path) for path in server.landing.rglob("*.parquet")]).unnest("features")
    assert dict(logged.select("recency_days", "score").iter_rows()) == alone
    assert logged.height == len(days)
    assert (
        logged.select(pl.format("r-{}", pl.col("recency_days").cast(int)))
        .to_series()
        .equals(logged["request_id"], check_names=False)
    )
