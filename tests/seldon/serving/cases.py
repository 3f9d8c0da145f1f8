"""Requests by what is right or wrong with them; what the stock microservice must answer too."""

import json
import struct
from dataclasses import dataclass, field
from typing import Any

PREDICT = "/api/v1.0/predictions"
INFER = "/v2/models/churn/infer"
NAMES = ["recency_days", "tenure_days", "plan", "amount_90d"]
ROW: list[Any] = [12, 40.5, "gold", 19.9]
OBJECT: dict[str, Any] = dict(zip(NAMES, ROW, strict=True))
PERSONAL = "jane.doe@example.org"


def ndarray(*rows: Any, names: Any = NAMES) -> dict[str, Any]:
    return {"data": {"names": names, "ndarray": list(rows)}}


def tensor(shape: Any, values: Any, names: Any = ("recency_days", "tenure_days")) -> dict[str, Any]:
    return {"data": {"names": list(names), "tensor": {"shape": shape, "values": values}}}


def inputs(*changed: dict[str, Any], rows: int = 1) -> dict[str, Any]:
    tensors = {
        "recency_days": {"name": "recency_days", "datatype": "FP32", "shape": [rows, 1], "data": [12.0] * rows},
        "tenure_days": {"name": "tenure_days", "datatype": "INT64", "shape": [rows], "data": [40] * rows},
        "plan": {"name": "plan", "datatype": "BYTES", "shape": [rows, 1], "data": ["gold"] * rows},
    }
    for change in changed:
        name = change.get("name", "plan")
        tensors[name] = {**tensors.get(name, {}), **change}
    return {"inputs": list(tensors.values())}


def binary(kind: str, raw: bytes) -> dict[str, Any]:
    return {
        "name": "amount_90d",
        "datatype": kind,
        "shape": [1],
        "parameters": {"binary_data_size": len(raw)},
    }


def plan(value: Any) -> dict[str, Any]:
    return {"jsonData": {**OBJECT, "plan": value}}


def recency(value: Any) -> dict[str, Any]:
    return {"jsonData": {**OBJECT, "recency_days": value}}


@dataclass(frozen=True)
class Case:
    name: str
    body: Any
    status: int = 200
    says: str = ""
    path: str = PREDICT
    headers: dict[str, str] = field(default_factory=dict)
    method: str | None = None


GOOD = [
    Case("ndarray", ndarray(ROW)),
    Case("several rows", ndarray(ROW, ROW, [1, 2, None, None])),
    Case("columns in another order", ndarray(ROW[::-1], names=NAMES[::-1])),
    Case("required columns alone", ndarray([1, 2], names=["recency_days", "tenure_days"])),
    Case("a null", ndarray([12, 40.5, None, None])),
    Case("tensor", tensor([2, 2], [12, 40.5, 1, 2])),
    Case("tensor with a null", tensor([1, 3], [12, 40.5, None], [*NAMES[:2], "amount_90d"])),
    Case("jsonData, one object", {"jsonData": OBJECT}),
    Case("jsonData, rows of other columns", {"jsonData": [OBJECT, {"tenure_days": 3, "recency_days": 1}]}),
    Case("an unknown category", plan("platinum")),
    Case("an empty category", plan("")),
    Case("a form", b'json=%7B"jsonData":%7B"recency_days":12,"tenure_days":40%7D%7D', headers={
        "content-type": "application/x-www-form-urlencoded"}),
    Case("JSON under curl's content type", {"jsonData": OBJECT}, headers={
        "content-type": "application/x-www-form-urlencoded"}),
    Case("a query", None, path='/predict?json={"jsonData":{"recency_days":12,"tenure_days":40}}'),
    Case("version 0.1", ndarray(ROW), path="/api/v0.1/predictions"),
    Case("the path of a unit", ndarray(ROW), path="/predict"),
    Case("the path outside", ndarray(ROW), path=f"/seldon/churn/churn{PREDICT}"),
    Case("a puid", {**ndarray(ROW), "meta": {"puid": "p-1"}}),
    Case("tags, which are left alone", {**ndarray(ROW), "meta": {"tags": {"who": PERSONAL}}}),
    Case("a huge integer", recency(10**30)),
    Case("the largest float32", recency(3.4028234e38)),
    Case("v2", inputs(), path=INFER),
    Case("v2 of a version", inputs(rows=3), path="/v2/models/churn/versions/7/infer"),
    Case("v2 with a null", inputs({"name": "country", "datatype": "BYTES", "shape": [1], "data": [None]}), path=INFER),
    Case("v2 with nested data", inputs({"name": "plan", "data": [["gold"]]}), path=INFER),
    Case("v2 with an output", {**inputs(), "outputs": [{"name": "churn"}]}, path=INFER),
    Case("v2 with an id", {**inputs(), "id": "r-9"}, path=INFER),
]  # fmt: skip

BAD = [
    Case("no JSON", b"{", 400, "the body must be JSON"),
    Case("nothing", b"", 400, "the body must be JSON"),
    Case("NaN, which is no JSON", b'{"jsonData": {"recency_days": NaN}}', 400, "the body must be JSON"),
    Case("broken text", b'{"jsonData": {"recency_days": "\xff"}}', 400, "the body must be JSON"),
    Case("nested too deeply", b"[" * 5000, 400, "the body must be JSON"),
    Case("a list", [1], 400, "the body must be an object"),
    Case("no payload", {}, 400, "exactly one of data.ndarray, data.tensor and jsonData"),
    Case("two payloads", {**ndarray(ROW), "jsonData": OBJECT}, 400, "exactly one"),
    Case("text", {"strData": PERSONAL}, 400, "exactly one"),
    Case("bytes", {"binData": "AAAA"}, 400, "exactly one"),
    Case("data of another kind", {"data": 3}, 400, "data: must be an object"),
    Case("both arrays", {"data": {"names": NAMES, "ndarray": [ROW], "tensor": {}}}, 400, "exactly one of ndarray and"),
    Case("no names", {"data": {"ndarray": [ROW]}}, 400, "data.names: is required"),
    Case("names of another kind", ndarray(ROW, names=[1, 2, 3, 4]), 400, "<column 1>: is no feature"),
    Case("names that cannot be names", ndarray(ROW, names=[{}, [], 3, 4]), 400, "names: must be texts"),
    Case("a name twice", ndarray([1, 2, 3], names=[*NAMES[:2], NAMES[0]]), 400, "recency_days: is named twice"),
    Case("an unknown column", ndarray([*ROW, 1], names=[*NAMES, "shoe_size"]), 400, "shoe_size: is no feature"),
    Case("a column that is a person", {"jsonData": {**OBJECT, PERSONAL: 1}}, 400, "<column 5>: is no feature"),
    Case("a required column is missing", ndarray([1], names=["tenure_days"]), 400, "recency_days: is required"),
    Case("in one of several rows", {"jsonData": [OBJECT, {"tenure_days": 3}]}, 400, "jsonData[1].recency_days: is"),
    Case("a required value is null", recency(None), 400, "jsonData[0].recency_days: is required, null is not"),
    Case("null in one of many rows", ndarray(*[ROW] * 24, [None, 2, "a", 3]), 400, "[24].recency_days: is required"),
    Case("a boolean in one of many", ndarray(*[ROW] * 24, [1, True, "a", 3]), 400, "[24].tenure_days: must be"),
    Case("out of range in one of many", ndarray(*[ROW] * 24, [1, 2, "a", -1e39]), 400, "[24].amount_90d: is outside"),
    Case("a text for a number", ndarray([PERSONAL, 2, None, 3]), 400, "data.ndarray[0].recency_days: must be a number"),
    Case("a number in a text", recency("12"), 400, "recency_days: must be a number, not a text"),
    Case("a boolean for a number", recency(True), 400, "recency_days: must be a number, not a boolean"),
    Case("a list for a number", recency([1]), 400, "recency_days: must be a number, not a list"),
    Case("a number for a text", plan(3), 400, "plan: must be a text, not a number"),
    Case("a boolean for a text", plan(False), 400, "plan: must be a text, not a boolean"),
    Case("an object for a text", plan({"a": 1}), 400, "plan: must be a text, not an object"),
    Case("a text that is too long", plan("x" * 129), 400, "plan: is longer than 128"),
    Case("a control character", plan("a\nb"), 400, "plan: holds a character that cannot be printed"),
    Case("an address", plan(PERSONAL), 400, "plan: looks like an address"),
    Case("out of range", recency(1e39), 400, "recency_days: is outside"),
    Case("a short row", ndarray(ROW, ROW[:2]), 400, "data.ndarray[1]: holds 2 values for 4 names"),
    Case("a row that is none", ndarray(ROW, 3), 400, "data.ndarray[1]: must be a list"),
    Case("a flat array", ndarray(*ROW), 400, "data.ndarray[0]: must be a list"),
    Case("an array too deep", ndarray([ROW]), 400, "data.ndarray[0]: holds 1 values for 4 names"),
    Case("no rows", ndarray(), 400, "data.ndarray: holds no rows"),
    Case("no rows in jsonData", {"jsonData": []}, 400, "jsonData: holds no rows"),
    Case("a row that is no object", {"jsonData": [OBJECT, 3]}, 400, "jsonData[1]: must be an object"),
    Case("a tensor that is none", tensor([1, 2], None), 400, "data.tensor.values"),
    Case("a tensor without shape", {"data": {"names": NAMES, "tensor": {"values": [1]}}}, 400, "data.tensor.shape"),
    Case("a shape that does not fit", tensor([2, 2], [1, 2, 3]), 400, "data.tensor.values"),
    Case("a shape beyond all", tensor([2**40, 2**40], [1]), 400, "data.tensor.values"),
    Case("a tensor of a text column", tensor([1, 1], [3], ["plan"]), 400, "required"),
    Case("a puid that is none", {**ndarray(ROW), "meta": {"puid": PERSONAL}}, 400, "meta.puid"),
    Case("meta of another kind", {**ndarray(ROW), "meta": 3}, 400, "meta: must be an object"),
    Case("too many rows", ndarray(*[ROW] * 51), 413, "holds 51 rows, at most 50"),
    Case("too many bytes", b" " * 70_000, 413, "at most 65536 bytes"),
    Case("multipart", b"--x", 415, "application/json", headers={"content-type": "multipart/form-data; boundary=x"}),
    Case("a customer without a token", ndarray(ROW), 400, "x-customer-id: must be a customer's token",
         headers={"x-customer-id": PERSONAL}),
    Case("another method", None, 405, "must be POST"),
    Case("a page that is posted to", {}, 405, "must be GET", path="/metadata"),
    Case("another path", None, 404, "no such path", path=f"/{PERSONAL}"),
    Case("v2: no inputs", {}, 400, "inputs: must be", path=INFER),
    Case("v2: no JSON", b"x", 400, "must be JSON", path=INFER),
    Case("v2: a tensor of nothing", {"inputs": [3]}, 400, "inputs[0]: must be an object", path=INFER),
    Case("v2: an unknown column", inputs({"name": "shoe_size", "datatype": "FP32", "shape": [1], "data": [1.0]}), 400,
         "shoe_size: is no feature", path=INFER),
    Case("v2: another type", inputs({"name": "plan", "datatype": "STRING"}), 400, "datatype", path=INFER),
    Case("v2: data of another type", inputs({"name": "tenure_days", "data": [1.5]}), 400, "no INT64", path=INFER),
    Case("v2: a number for a text", inputs({"name": "plan", "datatype": "FP32", "data": [1.5]}), 400,
         "plan: must be a text", path=INFER),
    Case("v2: other lengths", inputs({"name": "plan", "shape": [2], "data": ["a", "b"]}), 400, "same number of rows",
         path=INFER),
    Case("v2: another shape", inputs({"name": "plan", "shape": [1, 2]}), 400, "shape", path=INFER),
    Case("v2: data that does not fit", inputs({"name": "plan", "data": []}), 400, "other data", path=INFER),
    Case("v2: an unknown output", {**inputs(), "outputs": [{"name": "mood"}]}, 400, "this model has churn", path=INFER),
    Case("v2: binary that is not there", inputs(binary("FP32", b"abcd")), 400, "bytes that follow", path=INFER),
    Case("v2: a header beyond the body", inputs(), 400, "more than the body",
         headers={"inference-header-content-length": "99999"}, path=INFER),
    Case("v2: a header that is no number", inputs(), 400, "number of bytes",
         headers={"inference-header-content-length": "x"}, path=INFER),
    Case("v2: another model", inputs(), 404, "no such path", path="/v2/models/other/infer"),
    Case("feedback of another kind", [], 400, "the body must be an object", path="/api/v1.0/feedback"),
    Case("a reward of another kind", {"reward": "much"}, 400, "reward: must be", path="/api/v1.0/feedback"),
    Case("a truth of another kind", {"truth": {"data": {"ndarray": [7]}}}, 400, "truth.data", path="/send-feedback"),
]  # fmt: skip


def with_binary(spent: float = 19.9) -> tuple[bytes, dict[str, str]]:
    """Return an inference request whose last tensors follow the JSON, and its headers."""
    amount, country = struct.pack("<f", spent), struct.pack("<I", 2) + b"DE"
    message = inputs(binary("FP32", amount), {**binary("BYTES", country), "name": "country"})
    head = json.dumps(message).encode()
    return head + amount + country, {"inference-header-content-length": str(len(head))}
