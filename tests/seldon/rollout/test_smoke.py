"""What a new server is asked before any customer is."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from seldon.gateway.ports import free_port
from seldon.gateway.state import Server
from seldon.rollout.smoke import SmokeTestFailed, SmokeTestSlow, smoke_test
from tests.seldon.rollout.conftest import GOLDEN

DIGEST = "d1" * 32
SERVER = Server(version="7", digest=DIGEST, bundle="/bundle")
Answer = Callable[[BaseHTTPRequestHandler, list[dict[str, Any]]], None]


def send(handler: BaseHTTPRequestHandler, document: object, code: int = 200) -> None:
    content = json.dumps(document).encode()
    handler.send_response(code)
    handler.send_header("content-length", str(len(content)))
    handler.end_headers()
    handler.wfile.write(content)


def scores(*values: float, digest: str = DIGEST) -> Answer:
    rows = [[1 - value, value] for value in values]
    return lambda handler, _: send(handler, {"meta": {"tags": {"digest": digest}}, "data": {"ndarray": rows}})


def says(document: object, code: int = 200) -> Answer:
    return lambda handler, _: send(handler, document, code)


def babble(handler: BaseHTTPRequestHandler, _: object) -> None:
    handler.wfile.write(b"no protocol of ours\r\n\r\n")
    handler.close_connection = True


@contextmanager
def serving(answer: Answer, *, health: int = 200) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            send(self, {}, health if self.path == "/health/status" else 404)

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["content-length"])))["jsonData"]
            answer(self, asked)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def asked(answer: Answer, longest: float = 5.0, health: int = 200) -> float:
    with serving(answer, health=health) as url:
        return smoke_test(url, SERVER, GOLDEN, longest)


def test_a_server_that_gives_the_recorded_scores_in_time_passes() -> None:
    def as_recorded(handler: BaseHTTPRequestHandler, rows: list[dict[str, Any]]) -> None:
        scores(*(row["recency_days"] / 100 + 1e-7 for row in rows))(handler, rows)

    assert 0 < asked(as_recorded) < 1
    assert asked(scores(0.1, 0.9, digest=DIGEST[:12])) > 0


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (scores(0.1, 0.9, digest="ab" * 32), "serves the bundle abababababab, not d1d1d1d1d1d1"),
        (scores(0.1, 0.9, digest=DIGEST[:3]), "serves the bundle"),
        (scores(0.1, 0.9, digest=""), "serves the bundle"),
        (scores(0.1, 0.8), "1 of 2 scores for known inputs differ from the recorded ones, the first by 0.1"),
        (scores(0.1, float("nan")), "1 of 2 scores"),
        (scores(float("nan"), 0.9), "1 of 2 scores"),
        (scores(0.1), "answers 2 known inputs with 1 scores"),
        (scores(0.1, 0.9, 0.9), "with 3 scores"),
        (says({"status": "FAILURE"}, 500), "answered with 500"),
        (says([]), "no Seldon prediction"),
        (says({"meta": {"tags": {}}, "data": {"ndarray": []}}), "no Seldon prediction"),
        (says({"meta": {"tags": {"digest": DIGEST}}, "data": {"ndarray": [["a"]]}}), "no Seldon prediction"),
        (babble, "does not answer"),
    ],
)
def test_a_server_that_is_not_the_model_does_not(answer: Answer, reason: str) -> None:
    with pytest.raises(SmokeTestFailed, match=reason) as failed:
        asked(answer)

    assert "version 7 at http://127.0.0.1:" in str(failed.value)


def test_a_server_that_is_not_healthy_does_not() -> None:
    with pytest.raises(SmokeTestFailed, match="health check answers 503"):
        asked(scores(0.1, 0.9), health=503)


def test_a_server_that_is_slow_each_time_does_not_and_one_that_is_slow_once_does() -> None:
    waits = [0.15, 0.0, 0.0, 0.15, 0.15, 0.15]

    def slow(handler: BaseHTTPRequestHandler, rows: list[dict[str, Any]]) -> None:
        time.sleep(waits.pop(0))
        scores(0.1, 0.9)(handler, rows)

    assert asked(slow, longest=0.1) < 0.1
    with pytest.raises(SmokeTestSlow, match=r"took 0\.\d\d s for 2 rows, 0.10 s are allowed"):
        asked(slow, longest=0.1)


def test_a_server_that_does_not_listen_does_not(tmp_path: Path) -> None:
    import random

    with pytest.raises(SmokeTestFailed, match="does not answer"):
        smoke_test(f"http://127.0.0.1:{free_port(set(), random.Random())}", SERVER, GOLDEN, 0.1)


def test_a_server_that_never_finishes_does_not() -> None:
    def hang(handler: BaseHTTPRequestHandler, _: object) -> None:
        time.sleep(1.3)
        handler.close_connection = True

    with pytest.raises(SmokeTestFailed, match=r"does not answer \(TimeoutError\)"):
        asked(hang, longest=0.05)
