import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from churn.bundle.bundle import Bundle
from tests.seldon.serving.cases import (
    BAD,
    GOOD,
    INFER,
    NAMES,
    OBJECT,
    PERSONAL,
    PREDICT,
    ROW,
    Case,
    inputs,
    ndarray,
    with_binary,
)
from tests.seldon.serving.conftest import TOKEN, Server


def scored(bundle: Bundle, *rows: dict[str, Any]) -> list[float]:
    """Score rows with the bundle itself."""
    catalogue = bundle.manifest.catalogue
    schema = {feature.name: feature.dtype for feature in catalogue}
    frame = pl.DataFrame([{name: row.get(name) for name in schema} for row in rows], schema=schema)
    scores: list[float] = bundle.predict(frame).tolist()
    return scores


@pytest.mark.parametrize("case", GOOD, ids=lambda case: case.name)
def test_what_fits_is_scored(server: Server, case: Case) -> None:
    answer = server.ask(case.path.replace("{", "%7B").replace("}", "%7D").replace('"', "%22"), case.body, case.headers)

    assert answer.status == 200, answer.body
    assert answer.headers["x-churn-version"] == "7"
    assert answer.headers["x-churn-track"] == "stable"
    assert len(answer.headers["x-churn-digest"]) == 12


@pytest.mark.parametrize("case", BAD, ids=lambda case: case.name)
def test_what_does_not_fit_is_refused_by_its_field(server: Server, case: Case, project_root: Path) -> None:
    answer = server.ask(case.path, case.body, case.headers, case.method)

    assert answer.status == case.status, answer.body
    said = answer.json
    if case.path.startswith("/v2"):
        assert case.says in said["error"]
    else:
        assert case.says in said["status"]["info"]
        assert said["status"]["code"] == case.status
        assert said["status"]["status"] == "FAILURE"
        assert f"`{said['status']['reason']}`" in (project_root / "docs" / "serving.md").read_text()
    assert PERSONAL not in answer.body.decode()
    assert "jane" not in answer.body.decode()


def test_every_form_gets_the_score_that_the_bundle_gives(server: Server, bundle: Bundle) -> None:
    [expected] = scored(bundle, OBJECT)

    by_array = server.ask(PREDICT, ndarray(ROW)).json["data"]
    by_object = server.ask(PREDICT, {"jsonData": [OBJECT]}).json["data"]
    tensors = inputs({"name": "amount_90d", "datatype": "FP64", "shape": [1], "data": [19.9]})
    tensors["inputs"][1] |= {"datatype": "FP32", "data": [40.5]}
    by_tensor = server.ask(INFER, tensors).json

    assert by_array["names"] == ["stay", "churn"]
    assert by_array["ndarray"][0][1] == pytest.approx(expected, abs=1e-6)
    assert sum(by_array["ndarray"][0]) == pytest.approx(1.0)
    assert by_object == by_array
    assert by_tensor["outputs"][0]["data"] == [by_array["ndarray"][0][1]]
    assert by_tensor["outputs"][1]["data"] == [expected >= bundle.manifest.threshold]


def test_rows_score_as_they_do_offline_with_what_is_missing_filled_in(server: Server, bundle: Bundle) -> None:
    golden = [row.inputs for row in bundle.manifest.golden]

    answer = server.ask(PREDICT, {"jsonData": golden}).json

    assert [pair[1] for pair in answer["data"]["ndarray"]] == pytest.approx(
        [row.score for row in bundle.manifest.golden], abs=1e-6
    )


def test_a_tensor_is_answered_by_a_tensor(server: Server) -> None:
    answer = server.ask(PREDICT, {"data": {"names": NAMES[:2], "tensor": {"shape": [2, 2], "values": [1, 2, 3, 4]}}})

    assert answer.json["data"]["tensor"]["shape"] == [2, 2]
    assert np.reshape(answer.json["data"]["tensor"]["values"], (2, 2)).sum(axis=1) == pytest.approx([1, 1])


def test_the_answer_says_who_answered_and_whom_to_contact(server: Server, bundle: Bundle) -> None:
    headers = {"x-request-id": "r-1", "x-customer-id": TOKEN}

    answer = server.ask(PREDICT, ndarray(ROW, [89, 10, "basic", 1]), headers)

    meta = answer.json["meta"]
    scores = [pair[1] for pair in answer.json["data"]["ndarray"]]
    assert answer.headers["x-request-id"] == meta["puid"] == "r-1"
    assert answer.headers["x-churn-digest"] == bundle.digest[:12]
    assert meta["tags"] == {
        "version": "7",
        "digest": bundle.digest,
        "track": "stable",
        "contacted": [score >= bundle.manifest.threshold for score in scores],
    }
    assert {metric["key"] for metric in meta["metrics"]} == {"churn_rows", "churn_contacted", "churn_latency_ms"}


def test_a_puid_of_the_body_is_given_back_and_a_bad_request_id_is_replaced(server: Server) -> None:
    answer = server.ask(PREDICT, {**ndarray(ROW), "meta": {"puid": "p-1"}}, {"x-request-id": PERSONAL})

    assert answer.json["meta"]["puid"] == "p-1"
    assert len(answer.headers["x-request-id"]) == 32


def test_tensors_may_follow_the_json_in_binary(server: Server, bundle: Bundle) -> None:
    body, headers = with_binary()

    answer = server.ask(INFER, body, headers)

    given = {"recency_days": 12.0, "tenure_days": 40.0, "plan": "gold", "amount_90d": 19.9, "country": "DE"}
    assert answer.status == 200, answer.body
    assert answer.json["outputs"][0]["data"] == pytest.approx(scored(bundle, given), abs=1e-6)
    assert server.ask(INFER, body + b"x", headers).status == 400


@pytest.mark.parametrize("spent", [float("inf"), float("-inf")])
def test_what_is_infinite_is_refused_in_binary_too(server: Server, spent: float) -> None:
    answer = server.ask(INFER, *with_binary(spent))

    assert answer.status == 400
    assert "inputs[0].amount_90d: is outside of what a 32-bit float holds" in answer.json["error"]
    assert server.ask(INFER, *with_binary(float("nan"))).status == 200  # which is an unknown one


def test_a_body_in_pieces_is_read_and_a_large_one_refused(server: Server) -> None:
    content = json.dumps(ndarray(ROW)).encode()

    def pieces(content: bytes) -> bytes:
        parts = [content[at : at + 20] for at in range(0, len(content), 20)]
        return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"

    chunked = {"transfer-encoding": "chunked"}
    assert server.ask(PREDICT, pieces(content), chunked).status == 200
    assert server.ask(PREDICT, pieces(content + b" " * 70_000), chunked).status == 413


def test_health_metadata_and_metrics(server: Server, bundle: Bundle) -> None:
    before = server.metric("churn_requests_total")
    assert server.ask(PREDICT, {}).status == 400
    assert server.ask(PREDICT, ndarray(ROW)).status == 200

    metadata = server.ask("/metadata").json
    tensors = server.ask("/v2/models/churn").json

    assert server.ask("/health/ping").body == b"pong"
    assert server.ask("/health/status").json == {"ready": True, "version": "7"}
    assert server.ask("/v2/health/live").status == server.ask("/v2/models/churn/ready").status == 200
    assert server.ask("/v2").json["extensions"] == ["binary_tensor_data"]
    assert metadata["inputs"][0]["schema"]["names"] == [feature.name for feature in bundle.manifest.catalogue]
    assert {entry["datatype"] for entry in tensors["inputs"]} == {"FP32", "BYTES"}
    assert [entry["name"] for entry in tensors["inputs"] if entry["parameters"]["required"]] == [
        "recency_days",
        "tenure_days",
    ]
    assert server.metric("churn_requests_total") == before + 2
    assert server.metric("process_start_time_seconds") > 0


def test_feedback_is_counted(server: Server) -> None:
    before = server.metric("churn_feedback_truths_total"), server.metric("churn_feedback_reward")
    message = {"response": {"meta": {"puid": "p-9"}}, "reward": 0.5, "truth": {"data": {"ndarray": [[1], [0]]}}}

    answer = server.ask("/api/v1.0/feedback", message)

    assert answer.status == 200
    assert answer.json["meta"]["puid"] == "p-9"
    after = server.metric("churn_feedback_truths_total"), server.metric("churn_feedback_reward")
    assert (after[0] - before[0], after[1] - before[1]) == (2, 0.5)


def test_the_page_for_people_needs_nothing_else(server: Server, bundle: Bundle) -> None:
    page = server.ask("/docs").body.decode()

    assert all(feature.description in page for feature in bundle.manifest.catalogue)
    assert "http" not in page.replace("http://HOST:PORT", "")
    assert "<script" not in page
