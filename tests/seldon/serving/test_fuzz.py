import asyncio
import json
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from churn.bundle.bundle import Bundle
from seldon.serving.answer import Identity
from seldon.serving.app import App
from seldon.serving.limits import Limits
from seldon.serving.metrics import Metrics
from seldon.serving.model import open_model
from tests.seldon.serving.cases import INFER, NAMES, OBJECT, PREDICT, ROW, inputs, ndarray
from tests.seldon.serving.conftest import Server

FUZZ = settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def app(bundle: Bundle) -> App:
    identity = Identity("churn", "churn", "churn", "7", bundle.digest, "stable")
    return App(open_model(bundle.path, bundle.digest), identity, Limits(), Metrics(identity), None)


def asked(app: App, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, Any]:
    """Call the application without a process around it."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    raw = [(name.encode(), value.encode("utf-8")) for name, value in headers.items()]
    scope = {"type": "http", "method": "POST", "path": path, "query_string": b"", "headers": raw}
    asyncio.run(app(scope, receive, send))
    return sent[0]["status"], json.loads(sent[1]["body"])


LEAVES = st.one_of(
    *(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False)),
    *(st.text(max_size=10), st.sampled_from([*NAMES, "gold", "FP32", "BYTES", 1e308, -(2**63), 2**64 - 1])),
)
KEYS = st.sampled_from(
    [
        *("data", "names", "ndarray", "tensor", "shape", "values", "jsonData", "strData", "meta", "puid", "tags"),
        *("inputs", "outputs", "name", "datatype", "data", "parameters", "binary_data_size", "id"),
        *("reward", "truth", "response", "request", *NAMES),
    ]
)
JSON = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=5), st.dictionaries(st.one_of(KEYS, st.text(max_size=5)), inner, max_size=5)
    ),
    max_leaves=25,
)
CHECKS = [
    *(not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance),
]
"""That what fits its schema is accepted is not among them: a schema cannot say that rows are as long as their names."""
HEADERS = st.dictionaries(
    st.sampled_from(["x-customer-id", "x-request-id", "content-type", "inference-header-content-length"]),
    st.one_of(st.text(max_size=20), st.sampled_from(["application/x-www-form-urlencoded", "12", "0", "multipart/x"])),
    max_size=3,
)
PATHS = st.sampled_from([PREDICT, "/predict", INFER, "/api/v1.0/feedback"])


@given(path=PATHS, body=JSON, headers=HEADERS)
@FUZZ
def test_no_json_is_the_servers_fault(app: App, path: str, body: Any, headers: dict[str, str]) -> None:
    status, answer = asked(app, path, json.dumps(body).encode(), headers)

    assert status < 500, answer


@given(path=PATHS, body=st.binary(max_size=200), headers=HEADERS)
@FUZZ
def test_no_bytes_are_the_servers_fault(app: App, path: str, body: bytes, headers: dict[str, str]) -> None:
    status, answer = asked(app, path, body, headers)

    assert status < 500, answer


def places(message: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """List every place in a message."""
    entries = message.items() if isinstance(message, dict) else enumerate(message) if isinstance(message, list) else ()
    return [at, *(place for key, value in entries for place in places(value, (*at, key)))]


def replaced(message: Any, at: tuple[Any, ...], value: Any) -> Any:
    if not at:
        return value
    copied = dict(message) if isinstance(message, dict) else list(message)
    copied[at[0]] = replaced(message[at[0]], at[1:], value)
    return copied


SOUND: list[tuple[str, Any]] = [
    (PREDICT, {**ndarray(ROW, ROW), "meta": {"puid": "p"}}),
    (PREDICT, {"data": {"names": NAMES[:2], "tensor": {"shape": [2, 2], "values": [1, 2, 3, 4]}}}),
    (PREDICT, {"jsonData": [OBJECT, {"recency_days": 1, "tenure_days": 2}]}),
    (INFER, {**inputs(rows=2), "outputs": [{"name": "churn"}]}),
    ("/api/v1.0/feedback", {"reward": 1, "truth": {"data": {"ndarray": [1]}}, "response": {"meta": {"puid": "p"}}}),
]


@given(data=st.data(), sound=st.sampled_from(SOUND))
@FUZZ
def test_a_sound_message_with_one_thing_replaced_is_scored_or_refused(
    app: App, data: st.DataObject, sound: tuple[str, Any]
) -> None:
    path, message = sound
    changed = replaced(message, data.draw(st.sampled_from(places(message))), data.draw(JSON))

    status, answer = asked(app, path, json.dumps(changed).encode(), {})

    assert status < 500, answer
    scores = answer.get("data", {}).get("ndarray", []) if status == 200 else []
    assert all(0 <= score <= 1 for pair in scores for score in pair)


def test_the_openapi_document_is_what_the_server_does(server: Server) -> None:
    schema = schemathesis.openapi.from_url(f"http://127.0.0.1:{server.port}/seldon.json")
    statuses: dict[int, int] = {}
    before = server.metric("churn_rows_total")

    for result in schema.get_all_operations():
        operation: Any = result.ok()  # type: ignore[union-attr]
        modes = list(GenerationMode) if operation.method == "post" else [GenerationMode.POSITIVE]
        for mode in modes:
            often = operation.path == PREDICT and mode is GenerationMode.POSITIVE  # few of these are whole rows

            @given(case=operation.as_strategy(generation_mode=mode))
            @settings(max_examples=60 if often else 8, suppress_health_check=list(HealthCheck), database=None)
            def ask(case: Any) -> None:
                response = case.call()
                statuses[response.status_code] = statuses.get(response.status_code, 0) + 1
                case.validate_response(response, checks=CHECKS)

            ask()

    assert server.metric("churn_defects_total") == 0
    assert min(statuses[200], statuses[400]) > 20
    assert server.metric("churn_rows_total") > before
