"""The stock microservice around the same bundle, and real clients against our own server."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest

from churn.bundle.bundle import Bundle
from seldon.serving.refusal import REFUSED, WRONG_ARGUMENTS
from tests.seldon.serving.cases import BAD, GOOD, NAMES, PERSONAL, PREDICT, ROW, Case, ndarray
from tests.seldon.serving.conftest import Server

pytestmark = pytest.mark.stock

ROWS = [ROW, [30, 200, "basic", 1.5]]
DIFFERENT = {
    "JSON under curl's content type": (400, "Can't find JSON in data"),
}
"""What stock answers instead, for reasons that docs/serving.md gives."""
CASES = [case for case in GOOD + BAD if not case.path.startswith(("/v2", "/seldon/"))]
"""Without the paths that stock has not: the Open Inference Protocol, and the prefix that a gateway takes away."""


@pytest.fixture(scope="module")
def stock_python(project_root: Path, service_missing: Callable[[str], NoReturn]) -> Path:
    python = project_root / ".venv-seldon" / "bin" / "python"
    if not python.exists():
        service_missing("no .venv-seldon here; make .venv-seldon/.ready")
    return python


def words(python: Path, ports: list[int], **parameters: str) -> list[str]:
    given = [{"name": name, "value": value, "type": "STRING"} for name, value in parameters.items()]
    named = zip(("--http-port", "--metrics-port", "--grpc-port"), map(str, ports), strict=True)
    return [
        *(str(python.with_name("seldon-core-microservice")), "seldon.wrapper.Churn", "--service-type", "MODEL"),
        *("--log-level", "ERROR", "--parameters", json.dumps(given), *(word for pair in named for word in pair)),
    ]


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("", 0)) for _ in range(count)]
    ports: list[int] = [listener.getsockname()[1] for listener in sockets]
    for listener in sockets:
        listener.close()
    return ports


@pytest.fixture(scope="module")
def ports() -> list[int]:
    return free_ports(3)


@pytest.fixture(scope="module")
def stock(
    stock_python: Path, bundle: Bundle, project_root: Path, ports: list[int], tmp_path_factory: Any
) -> Iterator[Server]:
    limits = {"max_rows": "50", "max_body": "65536"}
    command = words(stock_python, ports, model_uri=str(bundle.path), digest=bundle.digest, version="7", **limits)
    begun = time.monotonic()
    process = subprocess.Popen(
        command,
        cwd=project_root,
        env={"PATH": os.environ["PATH"]},
        stderr=sys.stderr,
        text=True,
        start_new_session=True,
    )
    server = Server(process, ports[0], tmp_path_factory.mktemp("stock"), 0.0)
    try:
        while not answers(server):
            assert process.poll() is None
            assert time.monotonic() - begun < 60
            time.sleep(0.1)
        yield server
    finally:
        os.killpg(process.pid, 9)
        process.wait()


def answers(server: Server) -> bool:
    try:
        return server.ask("/health/status").status == 200
    except OSError:
        return False


def asked(server: Server, case: Case) -> Any:
    path = case.path.replace("{", "%7B").replace("}", "%7D").replace('"', "%22")
    return server.ask(path, case.body, case.headers, case.method)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_stock_answers_what_our_server_answers(server: Server, stock: Server, case: Case) -> None:
    ours, theirs = asked(server, case), asked(stock, case)

    assert PERSONAL not in theirs.body.decode()
    if case.name in DIFFERENT:
        status, info = DIFFERENT[case.name]
        assert (theirs.status, theirs.json["status"]["info"]) == (status, info)
        return
    assert theirs.status == ours.status, theirs.body
    expected, given = ours.json, theirs.json
    if ours.status == 200:
        assert given["data"].pop("names") == expected["data"].pop("names")
        assert numbers(given["data"]) == pytest.approx(numbers(expected["data"]), abs=1e-6)
        assert given["meta"]["tags"] == expected["meta"]["tags"]
        assert counted(given) == counted(expected)
    else:
        assert given["status"] == expected["status"]
    for name in ("x-churn-version", "x-churn-track", "x-churn-digest", "content-type"):
        assert theirs.headers[name] == ours.headers[name]


def numbers(data: dict[str, Any]) -> list[float]:
    """The values of an answer, after what says how they are laid out."""
    if "tensor" in data:
        return [*data["tensor"]["shape"], *data["tensor"]["values"]]
    return [len(data["ndarray"]), *(value for pair in data["ndarray"] for value in pair)]


def counted(message: Any) -> dict[str, float]:
    return {entry["key"]: entry["value"] for entry in message["meta"]["metrics"] if entry["type"] == "COUNTER"}


def test_ids_go_through_stock(stock: Server) -> None:
    answer = stock.ask(PREDICT, ndarray(ROW), {"x-request-id": "r-1"})
    named = stock.ask(PREDICT, {**ndarray(ROW), "meta": {"puid": "p-1"}})

    assert answer.json["meta"]["puid"] == answer.headers["x-request-id"] == "r-1"
    assert named.json["meta"]["puid"] == "p-1"


def test_stock_says_what_it_serves_and_takes_feedback(server: Server, stock: Server) -> None:
    feedback = {"reward": 0.5, "response": {"meta": {"puid": "p-9"}}, "truth": {"data": {"ndarray": [[1], [0]]}}}

    assert stock.ask("/health/ping").body == b"pong"
    assert stock.ask("/health/status").json == server.ask("/health/status").json
    assert stock.ask("/metadata").json == server.ask("/metadata").json
    assert stock.ask("/api/v1.0/feedback", feedback).json == server.ask("/api/v1.0/feedback", feedback).json


def test_stock_counts_what_was_predicted(stock: Server, ports: list[int]) -> None:
    assert stock.ask(PREDICT, ndarray(ROW)).status == 200

    metrics = Server(stock.process, ports[1], stock.landing, 0.0).ask("/metrics").body.decode()

    assert "churn_rows_total{" in metrics


def refused(python: Path, root: Path, **parameters: str) -> tuple[int, str]:
    ended = subprocess.run(
        words(python, free_ports(3), **parameters), cwd=root, capture_output=True, text=True, timeout=60, check=False
    )
    return ended.returncode, ended.stderr.strip().splitlines()[-1]


def test_stock_does_not_start_with_another_bundle_or_a_log(
    stock_python: Path, bundle: Bundle, project_root: Path
) -> None:
    path = str(bundle.path)

    other = refused(stock_python, project_root, bundle=path, digest="0" * 64, version="7")
    logging = refused(stock_python, project_root, bundle=path, digest=bundle.digest, version="7", log_to="x")

    assert other[0] == REFUSED
    assert "another model" in other[1]
    assert logging[0] == WRONG_ARGUMENTS
    assert "no prediction log" in logging[1]


def client(python: Path, name: str, port: int) -> Any:
    """What a real client printed, run in its own environment."""
    ran = subprocess.run(
        [str(python), str(Path(__file__).with_name("clients.py")), name, str(port)],
        input=json.dumps({"names": NAMES, "rows": ROWS}),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=60,
    )
    return json.loads(ran.stdout.splitlines()[-1])


def test_seldons_client_reads_our_server_as_it_reads_stock(server: Server, stock: Server, stock_python: Path) -> None:
    expected = [pair[1] for pair in server.ask(PREDICT, ndarray(*ROWS)).json["data"]["ndarray"]]

    ours, theirs = (client(stock_python, "seldon", one.port) for one in (server, stock))

    for said in (ours, theirs):
        assert [said[form]["success"] for form in ("ndarray", "tensor", "jsonData", "feedback")] == [True] * 4
        for form in ("ndarray", "jsonData"):
            assert [pair[1] for pair in said[form]["response"]["data"]["ndarray"]] == pytest.approx(expected, abs=1e-6)
        assert said["tensor"]["response"]["data"]["tensor"]["shape"] == [2, 2]
        assert said["ndarray"]["response"]["meta"]["tags"]["version"] == "7"
        assert not said["refused"]["success"]


def test_seldons_client_reaches_stock_by_grpc(
    server: Server, stock: Server, ports: list[int], stock_python: Path
) -> None:
    said = client(stock_python, "grpc", ports[2])

    rows = [dict(zip(NAMES[:2], row[:2], strict=True)) for row in ROWS]
    expected = server.ask(PREDICT, {"jsonData": rows}).json["data"]["ndarray"]
    assert said["success"], said
    assert said["response"]["data"]["tensor"]["values"] == pytest.approx(
        [x for pair in expected for x in pair], abs=1e-6
    )


def test_tritons_client_reads_our_server(server: Server, stock_python: Path, bundle: Bundle) -> None:
    expected = [pair[1] for pair in server.ask(PREDICT, ndarray(*ROWS)).json["data"]["ndarray"]]

    said = client(stock_python, "triton", server.port)

    assert said["live"]
    assert said["ready"]
    assert said["inputs"] == [feature.name for feature in bundle.manifest.catalogue]
    assert said["json"] == said["binary"] == said["default"] == pytest.approx(expected, abs=1e-6)
    assert "tenure_days: is required" in said["refused"]
