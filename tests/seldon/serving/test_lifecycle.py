import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections import Counter
from pathlib import Path

import polars as pl
import psutil
import pytest

from churn.bundle.bundle import Bundle
from churn.bundle.checked import FILES, MANIFEST
from tests.seldon.serving.cases import INFER, PREDICT, ROW, inputs, ndarray
from tests.seldon.serving.conftest import Serve, Server, command


def ended(words: list[str], root: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, cwd=root, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("file", [*FILES, MANIFEST])
def test_a_damaged_bundle_is_refused_by_its_file(
    interpreter: Path, bundle: Bundle, project_root: Path, tmp_path: Path, file: str
) -> None:
    copied = Path(shutil.copytree(bundle.path, tmp_path / "copied"))
    content = (copied / file).read_bytes()
    (copied / file).write_bytes(content[:-20] + bytes([content[-20] ^ 1]) + content[-19:])

    result = ended(command(interpreter, bundle, "--bundle", str(copied)), project_root)

    assert result.returncode == 3
    assert str(copied / file) in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert result.stdout == ""


def test_another_model_than_the_one_that_was_asked_for_is_refused(
    interpreter: Path, bundle: Bundle, project_root: Path
) -> None:
    result = ended(command(interpreter, bundle, "--digest", "ab" * 32), project_root)

    assert result.returncode == 3
    assert "another model" in result.stderr


@pytest.mark.parametrize(
    "options",
    [["--track", "beta"], ["--port", "99999"], ["--version", "a/b"], ["--colour", "red"], ["--max-rows", "0"]],
)
def test_wrong_arguments_are_refused(interpreter: Path, bundle: Bundle, project_root: Path, options: list[str]) -> None:
    assert ended(command(interpreter, bundle, *options), project_root).returncode == 2


def test_a_port_that_is_taken_is_named(server: Server, interpreter: Path, bundle: Bundle, project_root: Path) -> None:
    result = ended(command(interpreter, bundle, "--port", str(server.port)), project_root)

    assert result.returncode == 2
    assert str(server.port) in result.stderr


def test_it_is_ready_within_two_seconds_and_small(server: Server) -> None:
    assert server.ready_after < 2 * (1 + os.getloadavg()[0])  # of a machine that does nothing else
    assert psutil.Process(server.process.pid).memory_info().rss < 130 * 2**20


def test_it_listens_on_loopback_alone(server: Server) -> None:
    listening = [
        connection.laddr.ip
        for connection in psutil.Process(server.process.pid).net_connections()
        if connection.status == psutil.CONN_LISTEN
    ]

    assert listening == ["127.0.0.1"]


def test_seldon_core_sets_it_up_by_its_variables(serve: Serve) -> None:
    parameters = [{"name": "log_to", "value": "elsewhere", "type": "STRING"}]
    server = serve(
        environ={
            "SELDON_DEPLOYMENT_ID": "loyalty",
            "PREDICTOR_ID": "canary",
            "PREDICTIVE_UNIT_ID": "classifier",
            "PREDICTIVE_UNIT_METRICS_SERVICE_PORT": "0",
            "PREDICTIVE_UNIT_PARAMETERS": json.dumps(parameters),
        }
    )

    answer = server.ask("/v2/models/classifier/infer", inputs())
    ports = [c.laddr.port for c in psutil.Process(server.process.pid).net_connections() if c.status == "LISTEN"]

    assert answer.status == 200
    assert answer.json["parameters"]["track"] == "canary"
    assert server.ask("/seldon/churn/loyalty/api/v1.0/predictions", ndarray(ROW)).status == 200
    assert len(ports) == 2


class Load:
    """Asks without a pause until told to stop, or until the server takes no connection any more."""

    def __init__(self, server: Server, *, keeps_alive: bool, threads: int = 4) -> None:
        self._server, self._keeps_alive = server, keeps_alive
        self._stop = threading.Event()
        self.statuses: Counter[int | str] = Counter()
        self._threads = [threading.Thread(target=self._ask) for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    def _ask(self) -> None:
        body = json.dumps(ndarray(ROW))
        connection: http.client.HTTPConnection | None = None
        while not self._stop.is_set():
            if connection is None:
                connection = http.client.HTTPConnection("127.0.0.1", self._server.port, timeout=20)
                try:
                    connection.connect()
                except ConnectionRefusedError:
                    connection.close()
                    self.statuses["refused"] += 1
                    return
            try:
                connection.request("POST", PREDICT, body, {"content-type": "application/json"})
                response = connection.getresponse()
                response.read()
                self.statuses[response.status] += 1
            except (ConnectionError, http.client.HTTPException):
                self.statuses["lost"] += 1
                connection.close()
                connection = None
                continue
            if not self._keeps_alive or response.will_close:
                connection.close()
                connection = None
        if connection is not None:
            connection.close()

    def finish(self, *, wait: bool) -> Counter[int | str]:
        if not wait:
            self._stop.set()
        for thread in self._threads:
            thread.join(30)
        return self.statuses


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("keeps_alive", [True, False], ids=["kept connections", "new connections"])
def test_a_drain_loses_no_request_and_logs_them_all(serve: Serve, number: signal.Signals, keeps_alive: bool) -> None:
    server = serve("--grace-seconds", "0.4")
    load = Load(server, keeps_alive=keeps_alive)
    time.sleep(0.5)

    server.process.send_signal(number)
    statuses = load.finish(wait=True)

    assert server.process.wait(30) == 0
    assert set(statuses) == {200, "refused"}
    assert statuses["refused"] == 4
    assert sum(pl.read_parquet(path).height for path in server.landing.rglob("*.parquet")) == statuses[200]


def test_while_it_drains_probes_are_told_and_a_slow_request_is_still_answered(serve: Serve) -> None:
    server = serve("--grace-seconds", "1")
    body = json.dumps(ndarray(ROW)).encode()
    head = f"POST {PREDICT} HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", server.port)) as slow:
        slow.sendall(head + body[:10])
        time.sleep(0.2)

        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.2)
        status = server.ask("/health/status")
        alive = server.ask("/health/ping")
        time.sleep(1.5)
        slow.sendall(body[10:])
        answer = slow.recv(65536)

    assert (status.status, status.json["ready"], alive.status) == (503, False, 200)
    assert answer.startswith(b"HTTP/1.1 200")
    assert b"connection: close" in answer
    assert server.process.wait(30) == 0


def test_who_has_connected_as_it_ends_has_a_second_to_ask(serve: Serve) -> None:
    # Given callers that have connected, one of them with the first words of a request
    server = serve("--grace-seconds", "0.1")
    body = json.dumps(ndarray(ROW)).encode()
    whole = f"POST {PREDICT} HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body
    address = ("127.0.0.1", server.port)
    with socket.create_connection(address) as silent, socket.create_connection(address) as halting:
        halting.sendall(whole[:30])

        # When they ask long after the grace has passed
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.7)
        silent.sendall(whole)
        halting.sendall(whole[30:])

        # Then they are answered, and a new caller is refused
        answers = [silent.recv(65536), halting.recv(65536)]
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address)

    assert all(answer.startswith(b"HTTP/1.1 200") for answer in answers)
    assert server.process.wait(30) == 0


def test_who_never_asks_keeps_no_process_alive(serve: Serve) -> None:
    server = serve("--grace-seconds", "0.1")
    with socket.create_connection(("127.0.0.1", server.port)) as silent:
        server.process.send_signal(signal.SIGTERM)

        assert silent.recv(1) == b""
        assert server.process.wait(30) == 0


def test_a_body_that_does_not_come_is_given_up(serve: Serve) -> None:
    server = serve("--timeout", "0.3")

    with socket.create_connection(("127.0.0.1", server.port)) as slow:
        slow.sendall(f"POST {PREDICT} HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n".encode())
        answer = b"".join(iter(lambda: slow.recv(65536), b""))

    assert answer.startswith(b"HTTP/1.1 408")
    assert b"within 0.3 seconds" in answer


def test_overload_is_refused_in_both_protocols_and_passes(serve: Serve) -> None:
    # Given a server that takes two requests at a time, and four that wait for their bodies
    server = serve("--max-waiting", "2", "--timeout", "5")
    body = json.dumps(ndarray(ROW)).encode()
    head = f"POST {PREDICT} HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n".encode()
    waiting = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(4)]
    for connection in waiting:
        connection.sendall(head)
        time.sleep(0.1)

    # When another comes
    refused, refused_v2 = server.ask(PREDICT, ndarray(ROW)), server.ask(INFER, inputs())

    # Then it is told to come again, probes are answered, and afterwards all is as before
    assert (refused.status, refused.headers["retry-after"]) == (503, "1")
    assert refused.json["status"]["reason"] == "OVERLOADED"
    assert refused_v2.status == 503
    assert server.ask("/health/status").status == 200
    for connection in waiting[:2]:
        connection.sendall(body)
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")
    for connection in waiting:
        connection.close()
    time.sleep(0.2)
    assert server.ask(PREDICT, ndarray(ROW)).status == 200


def test_a_flood_is_answered_to_the_last_request(serve: Serve) -> None:
    server = serve("--max-waiting", "8")
    load = Load(server, keeps_alive=True, threads=24)
    time.sleep(1.0)

    statuses = load.finish(wait=False)

    assert set(statuses) <= {200, 503}
    assert statuses[200] > 50
    assert server.ask(PREDICT, ndarray(ROW)).status == 200
    assert server.metric("churn_defects_total") == 0
