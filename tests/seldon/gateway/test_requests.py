import gzip
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from seldon.gateway.folder import DeploymentFolder
from seldon.gateway.prediction_log import PredictionLog
from seldon.gateway.requests import requests

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


class Logs:
    def __init__(self, root: Path) -> None:
        self.landing = root / "landing"
        self.folder = DeploymentFolder(root / "churn")
        self.folder.prepare()
        self._files = 0

    def line(self, request_id: str, seconds: float, assigned: str = "stable", **other: Any) -> str:
        line = {
            "at": (NOON + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S.%f"),
            "request_id": request_id,
            "customer": "token-1",
            "prediction": True,
            "assigned": f"{assigned}-8-20000-or-other-7-20001",
            "weight": 25,
            "code": 200,
            "details": "via_upstream",
            "microseconds": 1500,
            "attempts": 1,
            "track": assigned,
            "unknown": {"kept": "out"},
        }
        return json.dumps(line | other) + "\n"

    def access(self, *lines: str, name: str = "access.jsonl") -> None:
        (self.folder.access_log.parent / name).write_text("".join(lines))

    def record(self, request_id: str, track: str = "stable", **other: Any) -> bytes:
        record = {"request_id": request_id, "row": 0, "track": track, "bundle_digest": "d", "features": {"x": 1.0}}
        return json.dumps(record | {"score": 0.25, "contacted": False} | other).encode() + b"\n"

    def predictions(self, *records: bytes, track: str = "stable", hour: str = "12", cut: int = 0) -> None:
        folder = self.landing / "predictions" / "dt=2026-11-22" / f"hour={hour}"
        folder.mkdir(parents=True, exist_ok=True)
        self._files += 1
        content = gzip.compress(b"".join(records))
        (folder / f"churn-{track}-1-{self._files}.jsonl.gz").write_bytes(content[: len(content) - cut])

    def read(self, now: timedelta = timedelta(minutes=5), **log: Any) -> pl.DataFrame:
        log_of = PredictionLog(str(self.landing), "churn", **log)
        return requests(self.folder, log_of, NOON, NOON + now, timedelta(seconds=30))


@pytest.fixture
def logs(tmp_path: Path) -> Logs:
    return Logs(tmp_path)


def test_a_request_is_one_row_with_what_the_server_wrote_down(logs: Logs) -> None:
    logs.access(logs.line("a", 1, "canary"))
    logs.predictions(logs.record("a", "canary", score=0.75, contacted=True), track="canary")

    frame = logs.read(expected=lambda digest, features: [features[0]["x"] if digest == "d" else None])

    assert frame.to_dicts() == [
        {
            "at": NOON + timedelta(seconds=1),
            "customer": "token-1",
            "canary": True,
            "weight": 0.25,
            "failed": False,
            "seconds": 0.0015,
            "score": 0.75,
            "contacted": True,
            "expected_score": 1.0,
            "refused": False,
        }
    ]


@pytest.mark.parametrize(
    "line",
    [
        {"code": 503, "track": None},
        {"code": 0, "track": None},
        {"code": 400},
        {"details": "upstream_reset_after_response_started{protocol_error}"},
        {"attempts": 2, "track": "stable"},
        {"attempts": 2},
        {"track": "stable"},
        {"code": 504, "track": None, "attempts": None, "microseconds": None},
    ],
)
def test_whatever_the_assigned_track_did_not_answer_well_at_once_is_a_failure(logs: Logs, line: dict[str, Any]) -> None:
    logs.access(logs.line("a", 1, "canary", **line))

    frame = logs.read()

    assert frame["failed"].to_list() == [True]
    assert frame["canary"].to_list() == [True]


@pytest.mark.parametrize(("code", "refused"), [(200, False), (400, True), (404, True), (429, False), (500, False)])
def test_what_a_caller_asked_wrongly_is_told_from_what_the_server_did_wrong(
    logs: Logs, code: int, refused: bool
) -> None:
    logs.access(logs.line("a", 1, code=code))
    if code == 200:
        logs.predictions(logs.record("a"))

    assert logs.read()["refused"].to_list() == [refused]


def test_a_request_whose_record_is_on_its_way_holds_back_all_that_came_after_it(logs: Logs) -> None:
    logs.access(logs.line("a", 1), logs.line("b", 2), logs.line("c", 3, "canary", code=503, track=None))
    logs.predictions(logs.record("a"))

    assert logs.read(timedelta(seconds=10))["at"].to_list() == [NOON + timedelta(seconds=1)]
    late = logs.read(timedelta(seconds=60))
    assert late["score"].to_list() == [0.25, None, None]
    logs.predictions(logs.record("b"))
    assert logs.read(timedelta(seconds=10)).height == 3


def test_files_that_are_still_written_or_were_cut_off_give_what_they_hold(logs: Logs) -> None:
    logs.access(logs.line("a", 1), name="access-20261122T120002.jsonl")
    logs.access(logs.line("b", 2), logs.line("c", 3)[:40])
    logs.predictions(logs.record("a"))
    logs.predictions(logs.record("b"), logs.record("c"), cut=9)
    logs.predictions(logs.record("c"), cut=30)

    assert logs.read()["score"].to_list() == [0.25, 0.25]


def test_what_a_server_writes_counts_like_the_lines_of_one_before_it(logs: Logs) -> None:
    written = {
        "event_time": [NOON],
        "row": [0],
        "request_id": ["b"],
        "track": ["canary"],
        "bundle_digest": ["d"],
        "customer_id": ["token-1"],
        "features": [{"x": 0.5, "plan": None}],
        "score": [0.75],
        "contacted": [True],
        "latency_ms": [0.5],
    }
    folder = logs.landing / "predictions" / "dt=2026-11-22" / "hour=12"
    logs.access(logs.line("a", 1, "canary"), logs.line("b", 2, "canary"))
    logs.predictions(logs.record("a", "canary"), track="canary")
    pl.DataFrame(written).write_parquet(folder / "churn-canary-2-1.parquet")
    (folder / "churn-canary-2-2.parquet").write_bytes(b"PAR1, damaged")
    pl.DataFrame({**written, "features": [{"plan": "silver"}]}).write_parquet(
        folder / "churn-canary-2-3.parquet", compression="uncompressed"
    )
    flipped = (folder / "churn-canary-2-3.parquet").read_bytes().replace(b"silver", b"s\xfflver")
    (folder / "churn-canary-2-3.parquet").write_bytes(flipped)

    frame = logs.read(expected=lambda digest, features: [one["x"] for one in features])

    assert frame["score"].to_list() == [0.25, 0.75]
    assert frame["expected_score"].to_list() == [1.0, 0.5]


def test_only_predictions_since_then_count(logs: Logs) -> None:
    logs.access(
        logs.line("old", -1),
        logs.line("a", 1),
        logs.line("b", 2, prediction=False),
        logs.line("c", 3, prediction=None),
    )

    assert logs.read()["at"].to_list() == [NOON + timedelta(seconds=1)]


def test_of_many_rows_the_first_counts_unless_another_is_not_the_bundles(logs: Logs) -> None:
    logs.access(logs.line("a", 1, "canary"), logs.line("b", 2, "canary"))
    rows = [logs.record("a", "canary", row=row, score=score) for row, score in ((1, 0.5), (0, 0.25))]
    rows += [logs.record("b", "canary", row=row, score=score) for row, score in ((0, 0.25), (1, 0.9))]
    logs.predictions(*rows, track="canary")

    frame = logs.read(expected=lambda _, features: [0.5, 0.25, 0.25, 0.5][: len(features)])

    assert frame["score"].to_list() == [0.25, 0.9]


def test_records_are_found_across_the_hours(logs: Logs) -> None:
    logs.access(logs.line("a", 3_599))
    logs.predictions(logs.record("a"), hour="13")

    assert logs.read(timedelta(hours=2))["score"].to_list() == [0.25]


def test_records_of_servers_that_live_in_the_past_are_found_there(logs: Logs) -> None:
    logs.access(logs.line("a", 1))
    logs.predictions(logs.record("a"), hour="03")

    assert logs.read()["score"].to_list() == [None]
    assert logs.read(behind=lambda: timedelta(hours=9))["score"].to_list() == [0.25]


def test_no_log_at_all_is_an_empty_frame(logs: Logs) -> None:
    frame = logs.read()

    assert frame.height == 0
    assert frame.schema["at"] == pl.Datetime("us", "UTC")


def test_a_mirrored_request_has_a_second_row_of_the_canary_and_a_copy_without_a_record_has_failed(logs: Logs) -> None:
    logs.access(*(logs.line(name, at, weight=0, mirror=True) for at, name in enumerate("ab", 1)))
    logs.predictions(logs.record("a"), logs.record("b"))
    logs.predictions(logs.record("a", "canary", score=0.5, latency_ms=2.0), track="canary")

    frame = logs.read().sort("canary", "at")

    assert frame.select("canary", "weight", "failed", "score").rows() == [
        (False, 0.0, False, 0.25),
        (False, 0.0, False, 0.25),
        (True, 0.0, False, 0.5),
        (True, 0.0, True, None),
    ]
    assert frame["seconds"][2] == 0.002


def test_the_frame_waits_for_the_record_of_a_copy(logs: Logs) -> None:
    logs.access(*(logs.line(name, at, weight=0, mirror=True) for at, name in enumerate("ab", 1)))
    logs.predictions(logs.record("a"), logs.record("b"))
    logs.predictions(logs.record("a", "canary"), track="canary")

    assert logs.read(now=timedelta(seconds=3)).select("canary").rows() == [(False,), (True,)]
