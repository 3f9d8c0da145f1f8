"""What is logged, from a request to the lake."""

import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from churn.bundle.bundle import Bundle
from churn.clock import ProjectClock
from churn.settings import LandingSettings
from seldon.serving.records import Entry, Features, Records
from tests.seldon.serving.cases import NAMES, PREDICT, ROW, ndarray
from tests.seldon.serving.conftest import IDENTITY, TOKEN, Serve
from tests.seldon.serving.published import until
from tests.world import World, world_in


def ingest(world: World, landing: Path) -> pl.DataFrame:
    """Take what landed into the lake, once its hour is over."""
    settings = world.settings.model_copy(update={"landing": LandingSettings(url=str(landing))})
    World(world.root, settings).ingest(now=datetime.now(UTC) + timedelta(hours=2))
    return world.rows("predictions")


def test_what_was_served_is_in_the_lake_exactly_once(serve: Serve, bundle: Bundle, tmp_path: Path) -> None:
    # Given two servers that log, one of them a canary, and requests with and without a customer
    stable, canary = serve("--log-seconds", "0.2"), serve("--track", "canary", "--version", "8")
    begun = datetime.now(UTC)
    answers = [
        stable.ask(PREDICT, ndarray(ROW, [89, 10, None, 1.5]), {"x-customer-id": TOKEN, "x-request-id": "r-1"}),
        stable.ask(PREDICT, {"jsonData": {"tenure_days": 9.3, "recency_days": 1}}, {"x-request-id": "r-2"}),
        canary.ask(PREDICT, ndarray(ROW), {"x-customer-id": TOKEN, "x-request-id": "r-1"}),
    ]
    time.sleep(0.7)  # files are rolled while the server lives
    answers.append(stable.ask(PREDICT, ndarray(ROW), {"x-request-id": "r-3"}))

    # When they end, and the normal ingestion runs, twice
    assert stable.end() == canary.end() == 0
    world = world_in(tmp_path / "world")
    ingest(world, tmp_path / "landing")
    rows = ingest(world, tmp_path / "landing").sort("event_id")

    # Then every row of every request is there once, as it was answered
    assert rows["event_id"].to_list() == [
        *("r-1-canary-0", "r-1-stable-0", "r-1-stable-1", "r-2-stable-0", "r-3-stable-0")
    ]
    assert rows["customer_id"].to_list() == [TOKEN, TOKEN, TOKEN, None, None]
    assert rows["row"].to_list() == [0, 0, 1, 0, 0]
    assert rows["model_version"].to_list() == ["8", "7", "7", "7", "7"]
    assert set(rows["bundle_digest"]) == {bundle.digest}
    assert rows["event_time"].is_between(begun, datetime.now(UTC)).all()
    assert (rows["latency_ms"] > 0).all()
    pairs = [pair for i in (2, 0, 1, 3) for pair in answers[i].json["data"]["ndarray"]]
    assert rows["score"].to_list() == pytest.approx([pair[1] for pair in pairs], abs=1e-9)
    assert rows["contacted"].to_list() == [pair[1] >= bundle.manifest.threshold for pair in pairs]
    assert len(list((tmp_path / "landing").rglob("*.parquet"))) == 3

    # And the logged features score as the answer did
    dtypes = {feature.name: feature.dtype for feature in bundle.manifest.catalogue}
    given = rows.select(pl.col("features").str.json_decode(pl.Struct(dtypes))).unnest("features")
    assert bundle.predict(given).tolist() == pytest.approx(rows["score"].to_list(), abs=1e-6)


def test_what_is_no_token_goes_to_quarantine(tmp_path: Path) -> None:
    world = world_in(tmp_path)
    sound: dict[str, object] = {
        "event_id": "r-1-stable-0",
        "request_id": "r-1",
        "row": 0,
        "customer_id": TOKEN,
        "deployment": "churn",
        "event_time": "2026-03-01T10:00:00Z",
        "track": "stable",
        "model_version": "7",
        "bundle_digest": "ab",
        "features": {"plan": "gold"},
        "score": 0.5,
        "contacted": True,
        "latency_ms": 0.2,
    }
    changes: list[dict[str, object]] = [
        {"customer_id": "jane"},
        {"features": {"plan": "jane@example.org"}},
        {"features": [1]},
        {"score": "much"},
        {"contacted": "perhaps"},
        {"row": 1.5},
        {"features": {"plan": "x" * 70_000}},
    ]
    faulty = [{**sound, "event_id": f"r-{i}", **change} for i, change in enumerate(changes, start=2)]

    world.upload([sound, *faulty], stream="predictions")
    report = world.ingest()

    [stream] = [stream for stream in report.streams if stream.stream == "predictions"]
    assert world.rows("predictions")["event_id"].to_list() == ["r-1-stable-0"]
    assert stream.reasons == {
        "wrong_type:customer_id": 1,
        "looks_personal:features": 1,
        "wrong_type:features": 1,
        "wrong_type:score": 1,
        "wrong_type:contacted": 1,
        "wrong_type:row": 1,
        "too_long:features": 1,
    }
    # A lake that holds predictions alone is none that lost its subjects.
    world.upload([{**sound, "event_id": "later"}], "part-1.jsonl", stream="predictions")
    world.ingest()
    assert world.rows("predictions").height == 2


def test_a_log_that_cannot_be_written_fails_no_request(serve: Serve, tmp_path: Path) -> None:
    blocked = tmp_path / "a-file"
    blocked.write_text("where the log's folder would be")
    server = serve("--log-to", str(blocked), "--log-seconds", "0")

    statuses = [server.ask(PREDICT, ndarray(ROW)).status for _ in range(20)]
    time.sleep(0.7)

    assert statuses == [200] * 20
    assert server.metric("churn_log_failures_total") > 0
    assert server.end() == 0


def test_predictions_are_dated_by_the_project_s_clock(serve: Serve, tmp_path: Path) -> None:
    clock = ProjectClock(tmp_path / "clock")
    clock.begin(datetime(1998, 6, 29, 7, 30, tzinfo=UTC))
    server = serve("--clock", str(clock.file), "--log-seconds", "0")
    hour = server.landing / "predictions" / "dt=1998-06-29" / "hour=07"

    assert server.ask(PREDICT, ndarray(ROW)).status == 200
    until(lambda: any(hour.glob("*.parquet")))
    clock.file.write_text("damaged")
    assert server.ask(PREDICT, ndarray(ROW)).status == 200
    assert server.end() == 0

    (earlier,) = hour.iterdir()
    (later,) = set(server.landing.rglob("*.parquet")) - {earlier}
    before, after = (pl.read_parquet(path)["event_time"].item() for path in (earlier, later))
    assert f"{before:%Y-%m-%d %H:%M}" == "1998-06-29 07:30"
    assert datetime.now(UTC) - after < timedelta(minutes=5)


def test_lines_of_an_older_server_are_ingested_beside_its_files(
    tmp_path: Path, entry: Entry, features: Features
) -> None:
    records = Records(IDENTITY, features, 0.0)
    records.add(entry._replace(at=datetime(2026, 3, 1, 10, tzinfo=UTC).timestamp()))
    older = {
        "event_id": "r-0-stable-0",
        "request_id": "r-0",
        "row": 0,
        "customer_id": TOKEN,
        "deployment": "churn",
        "event_time": "2026-03-01T10:00:00Z",
        "track": "stable",
        "model_version": "7",
        "bundle_digest": "ab",
        "features": {"plan": "gold", "recency_days": 12.0},
        "score": 0.5,
        "contacted": True,
        "latency_ms": 0.2,
    }
    world = world_in(tmp_path)

    world.upload([older], "old.jsonl", stream="predictions")
    world.upload(records.to_parquet(), "new.parquet", stream="predictions")
    report = world.ingest()

    [stream] = [stream for stream in report.streams if stream.stream == "predictions"]
    assert (stream.reasons, stream.differences) == ({}, ())
    rows = world.rows("predictions").sort("event_id")
    assert rows["event_id"].to_list() == ["r-0-stable-0", "r-1-canary-0", "r-1-canary-1"]
    given = [json.loads(text) for text in rows["features"]]
    assert {name: given[1][name] for name in NAMES} == dict(zip(NAMES, [12.0, 40.5, "gold", 19.9], strict=True))
