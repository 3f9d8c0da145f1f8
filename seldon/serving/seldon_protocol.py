"""The Seldon protocol: messages with `data.ndarray`, `data.tensor` or `jsonData`, and feedback."""

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

import orjson
from msgspec import Struct

from seldon.serving.answer import Identity, Scored
from seldon.serving.columns import Columns, Rows
from seldon.serving.faults import Fault, bad_columns, bad_data
from seldon.serving.model import OUTPUTS
from seldon.serving.request import Request, checked_id

_PAYLOADS = ("data", "jsonData", "strData", "binData", "customData")
_FORM = b"application/x-www-form-urlencoded"
_MAX_FIELDS = 16
_CUSTOMERS = "customers"

Lookup = Callable[[object], Rows]
"""Finds the rows of customers by their tokens."""


def json_text(request: Request) -> bytes:
    """Return the message's text: the body, or the form field or query parameter `json` that Seldon's client sends.

    Raises:
        Fault: the body is of another type, or the form cannot be read.
    """
    if request.content_type.startswith(b"multipart/"):
        raise Fault(415, "UNSUPPORTED_MEDIA_TYPE", "content-type: must be application/json")
    if request.content_type.startswith(_FORM) and not request.body.lstrip().startswith((b"{", b"[")):
        return _field(request.body)
    if not request.body and request.query:
        return _field(request.query)
    return request.body


def parsed(text: bytes) -> object:
    """Parse a message.

    Raises:
        Fault: it is no JSON.
    """
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        raise bad_data("the body must be JSON") from None


def _field(form: bytes) -> bytes:
    try:
        return dict(parse_qsl(form, max_num_fields=_MAX_FIELDS)).get(b"json", b"")
    except ValueError:
        raise bad_data("the form must hold one field, json") from None


class Message(Struct, frozen=True):
    """What a message asks; `tensor` is the form in which it wants to be answered."""

    rows: Rows
    puid: str | None
    tensor: bool


def read_message(
    message: object, columns: Columns, booleans: Callable[[], bool], lookup: Lookup | None = None
) -> Message:
    """Read a message.

    Args:
        message: parsed.
        columns: the model's.
        booleans: says whether some value may be true or false.
        lookup: finds customers; none where only features are taken.

    Raises:
        Fault: names the field that is not what it must be.
    """
    if not isinstance(message, dict):
        raise bad_data("the body must be an object with data or jsonData")
    puid = _puid(message.get("meta"))
    match [name for name in _PAYLOADS if message.get(name) is not None]:
        case ["data"]:
            return _read_data(message["data"], puid, columns, booleans)
        case ["jsonData"]:
            rows = message["jsonData"]
            if isinstance(rows, dict) and _CUSTOMERS in rows:
                return Message(_find(rows, lookup), puid, tensor=False)
            rows = rows if isinstance(rows, list) else [rows]
            return Message(columns.read_objects(rows, "jsonData", booleans), puid, tensor=False)
    raise bad_data("give exactly one of data.ndarray, data.tensor and jsonData")


def _find(asked: dict[str, Any], lookup: Lookup | None) -> Rows:
    if lookup is None:
        raise Fault(400, "NO_CUSTOMERS", "jsonData.customers: this server knows no customers; give their features")
    if len(asked) > 1:
        raise bad_data("jsonData: customers stand alone; their features come from the snapshot")
    return lookup(asked[_CUSTOMERS])


def _puid(meta: object) -> str | None:
    if meta is None:
        return None
    if not isinstance(meta, dict):
        raise bad_data("meta: must be an object")
    return checked_id(meta.get("puid"), "meta.puid")


def _read_data(data: object, puid: str | None, columns: Columns, booleans: Callable[[], bool]) -> Message:
    if not isinstance(data, dict):
        raise bad_data("data: must be an object with names and ndarray or tensor")
    ndarray, tensor = data.get("ndarray"), data.get("tensor")
    if (ndarray is None) == (tensor is None):
        raise bad_data("data: give exactly one of ndarray and tensor")
    names = data.get("names")
    if not isinstance(names, list) or not names:
        raise bad_columns(["data.names: is required; columns are matched by name, in any order"])
    if ndarray is None:
        rows = columns.read(names, _tensor_rows(tensor), "data.tensor", booleans)
        return Message(rows, puid, tensor=True)
    if not isinstance(ndarray, list):
        raise bad_data("data.ndarray: must be a list of rows")
    return Message(columns.read(names, ndarray, "data.ndarray", booleans), puid, tensor=False)


def _tensor_rows(tensor: object) -> list[list[Any]]:
    if not isinstance(tensor, dict):
        raise bad_data("data.tensor: must be an object with shape and values")
    shape, values = tensor.get("shape"), tensor.get("values")
    if not isinstance(shape, list) or len(shape) != 2 or any(type(size) is not int or size < 1 for size in shape):
        raise bad_data("data.tensor.shape: must be rows and columns, both at least 1")
    if not isinstance(values, list) or len(values) != shape[0] * shape[1]:
        raise bad_data("data.tensor.values: must be a list of rows × columns values")
    width = shape[1]
    return [values[at : at + width] for at in range(0, len(values), width)]


def write_message(scored: Scored, identity: Identity, puid: str, *, tensor: bool) -> bytes:
    """Return the answer as JSON."""
    return orjson.dumps(answer_message(scored, identity, puid, tensor=tensor))


def answer_message(scored: Scored, identity: Identity, puid: str, *, tensor: bool) -> dict[str, Any]:
    """Return the answer: the probabilities to stay and to churn of each row, and which rows are to be contacted."""
    pairs = [(1.0 - score, score) for score in scored.scores]
    if tensor:
        values = [value for pair in pairs for value in pair]
        data: dict[str, Any] = {"names": OUTPUTS, "tensor": {"shape": [len(pairs), 2], "values": values}}
    else:
        data = {"names": OUTPUTS, "ndarray": pairs}
    metrics = [
        {"key": "churn_rows", "type": "COUNTER", "value": len(pairs)},
        {"key": "churn_contacted", "type": "COUNTER", "value": sum(scored.contacted)},
        {"key": "churn_latency_ms", "type": "TIMER", "value": scored.latency_ms},
    ]
    tags = {**_tags(identity), "contacted": scored.contacted, **(scored.rows.tags or {})}
    return {"data": data, "meta": {"puid": puid, "tags": tags, "metrics": metrics}}


def _tags(identity: Identity) -> dict[str, Any]:
    return {"version": identity.version, "digest": identity.digest, "track": identity.track}


def write_fault(fault: Fault, puid: str) -> bytes:
    """Return Seldon's status for a fault."""
    status = {"code": fault.status, "info": fault.info, "reason": fault.reason, "status": "FAILURE"}
    return orjson.dumps({"status": status, "meta": {"puid": puid} | ({"tags": fault.tags} if fault.tags else {})})


def read_feedback(message: object) -> tuple[float, list[float], str | None]:
    """Return the reward, the true labels (1 churned, 0 stayed) and the puid of a feedback message.

    Raises:
        Fault: names the field that is not what it must be.
    """
    if not isinstance(message, dict):
        raise bad_data("the body must be an object with request, response, reward and truth")
    reward = message.get("reward", 0.0)
    if isinstance(reward, bool) or not isinstance(reward, int | float) or abs(reward) > 1e9:
        raise bad_data("reward: must be a number of at most a billion")
    for name in ("request", "response", "truth"):
        if not isinstance(message.get(name, {}), dict | None):
            raise bad_data(f"{name}: must be a message")
    labels = _labels(message.get("truth") or {})
    puid = _puid((message.get("response") or {}).get("meta")) or _puid((message.get("request") or {}).get("meta"))
    return float(reward), labels, puid


def _labels(truth: dict[str, Any]) -> list[float]:
    data = truth.get("data")
    if data is None:
        return []
    values = data.get("ndarray") if isinstance(data, dict) else None
    if values is None and isinstance(data, dict) and isinstance(data.get("tensor"), dict):
        values = data["tensor"].get("values")
    if not isinstance(values, list):
        raise bad_data("truth.data: must hold ndarray or tensor")
    flat = [value[0] if isinstance(value, list) and len(value) == 1 else value for value in values]
    if any(isinstance(value, bool | list | dict) or value not in (0, 1) for value in flat):
        raise bad_data("truth.data: must hold one label a row, 1 for churned and 0 for stayed")
    return [float(value) for value in flat]


def write_feedback(identity: Identity, puid: str) -> bytes:
    """Return the answer to feedback."""
    return orjson.dumps({"meta": {"puid": puid, "tags": _tags(identity)}})


def metadata(identity: Identity, names: list[str]) -> bytes:
    """Return what Seldon calls a model's metadata."""
    return orjson.dumps(
        {
            "name": identity.name,
            "versions": [identity.version],
            "platform": "churn",
            "inputs": [{"messagetype": "ndarray", "schema": {"names": names, "shape": [len(names)]}}],
            "outputs": [{"messagetype": "ndarray", "schema": {"names": OUTPUTS, "shape": [len(OUTPUTS)]}}],
            "custom": {"digest": identity.digest, "track": identity.track, "deployment": identity.deployment},
        }
    )
