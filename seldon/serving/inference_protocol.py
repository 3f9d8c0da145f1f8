"""The Open Inference Protocol, version 2: a tensor for each feature, in JSON or in binary."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
import orjson

from seldon.serving.answer import Identity, Scored
from seldon.serving.columns import Columns, Rows
from seldon.serving.faults import Fault, bad_columns, bad_data, shown
from seldon.serving.model import Model
from seldon.serving.request import Request, checked_id

_FLOATS: Final = {"FP16": "<f2", "FP32": "<f4", "FP64": "<f8"}
_INTEGERS: Final = {
    f"{sign}INT{bits}": f"<{code}{bits // 8}" for sign, code in (("", "i"), ("U", "u")) for bits in (8, 16, 32, 64)
}
_BINARY: Final = _FLOATS | _INTEGERS
_OUTPUTS: Final = ("churn", "contacted")


def read_inference(
    request: Request, columns: Columns, booleans: Callable[[], bool]
) -> tuple[Rows, str | None, tuple[str, ...]]:
    """Return the rows of a request, its id, and the outputs it asks for.

    Raises:
        Fault: names the tensor that is not what it must be.
    """
    size = len(request.body) if request.json_bytes is None else request.json_bytes
    if size > len(request.body):
        raise bad_data("inference-header-content-length: is more than the body holds")
    try:
        message = orjson.loads(request.body[:size])
    except orjson.JSONDecodeError:
        raise bad_data("the body must be JSON") from None
    if not isinstance(message, dict) or not isinstance(message.get("inputs"), list) or not message["inputs"]:
        raise bad_data("inputs: must be a list with a tensor for each column")
    names: list[str] = []
    tensors: list[list[Any]] = []
    raw = memoryview(request.body)[size:]
    for i, entry in enumerate(message["inputs"]):
        name, values, raw = _read_tensor(entry, i, raw)
        names.append(name)
        tensors.append(values)
    if len(raw):
        raise bad_data("the body holds more bytes than its tensors")
    rows = len(tensors[0])
    if any(len(values) != rows for values in tensors):
        raise bad_columns(["inputs: all tensors must have the same number of rows"])
    given = columns.read(names, list(map(list, zip(*tensors, strict=True))), "inputs", booleans)
    return given, checked_id(message.get("id"), "id"), _wanted(message.get("outputs"))


def _read_tensor(entry: object, position: int, raw: memoryview) -> tuple[str, list[Any], memoryview]:
    """Return a tensor's name and values, and what is left of the binary part."""
    if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
        raise bad_data(f"inputs[{position}]: must be an object with name, datatype, shape and data")
    name, kind, shape = entry["name"], entry.get("datatype"), entry.get("shape")
    where = f"inputs[{position}] ({shown(name, position)})"
    if not isinstance(kind, str) or (kind not in _BINARY and kind != "BYTES"):
        raise bad_columns([f"{where}.datatype: must be FP*, INT*, UINT* or BYTES"])
    if (
        not isinstance(shape, list)
        or not shape
        or any(type(size) is not int or size < 1 for size in shape)
        or any(size != 1 for size in shape[1:])
    ):
        raise bad_columns([f"{where}.shape: must be [rows] or [rows, 1]"])
    parameters = entry.get("parameters")
    size = parameters.get("binary_data_size") if isinstance(parameters, dict) else None
    if size is None:
        values = _flat(entry.get("data"))
    elif type(size) is not int or not 0 <= size <= len(raw):
        raise bad_columns([f"{where}.parameters.binary_data_size: must be bytes that follow the JSON"])
    else:
        values, raw = _decode(raw[:size], kind), raw[size:]
    if values is None or len(values) != shape[0]:
        raise bad_columns([f"{where}: holds other data than shape and datatype say"])
    if not _typed(values, kind):
        raise bad_columns([f"{where}: holds values that are no {kind}"])
    return name, values, raw


def _flat(data: object) -> list[Any] | None:
    if not isinstance(data, list):
        return None
    return [value[0] if isinstance(value, list) and len(value) == 1 else value for value in data]


def _decode(raw: memoryview, kind: str) -> list[Any] | None:
    """Read values in binary: numbers in little endian, NaN for unknown; texts after their lengths in four bytes."""
    if kind != "BYTES":
        dtype = np.dtype(_BINARY[kind])
        if len(raw) % dtype.itemsize:
            return None
        return [None if value != value else value for value in np.frombuffer(raw, dtype=dtype).tolist()]
    texts: list[Any] = []
    while len(raw):
        end = 4 + int.from_bytes(raw[:4], "little")
        if len(raw) < end:
            return None
        try:
            texts.append(str(raw[4:end], "utf-8"))
        except UnicodeDecodeError:
            return None
        raw = raw[end:]
    return texts


def _typed(values: list[Any], kind: str) -> bool:
    """Tell whether all values are of the tensor's own type, null aside; against the model they are held later."""
    found: set[type] = set(map(type, values)) - {type(None)}
    if kind == "BYTES":
        return found <= {str}
    return found <= {int} or (kind in _FLOATS and found <= {int, float})


def _wanted(outputs: object) -> tuple[str, ...]:
    if outputs is None or outputs == []:
        return _OUTPUTS
    if not isinstance(outputs, list) or not all(isinstance(entry, dict) for entry in outputs):
        raise bad_data("outputs: must be a list of objects with a name")
    names = tuple(entry.get("name") for entry in outputs)
    if any(name not in _OUTPUTS for name in names):
        raise bad_data(f"outputs: this model has {' and '.join(_OUTPUTS)}")
    return names


def write_inference(scored: Scored, identity: Identity, request_id: str, outputs: tuple[str, ...]) -> bytes:
    """Return the answer."""
    rows = len(scored.scores)
    tensors = {
        "churn": {"name": "churn", "shape": [rows], "datatype": "FP64", "data": scored.scores},
        "contacted": {"name": "contacted", "shape": [rows], "datatype": "BOOL", "data": scored.contacted},
    }
    return orjson.dumps(
        {
            "model_name": identity.name,
            "model_version": identity.version,
            "id": request_id,
            "parameters": {"digest": identity.digest, "track": identity.track},
            "outputs": [tensors[name] for name in outputs],
        }
    )


def write_fault(fault: Fault) -> bytes:
    """Return the protocol's form of a fault."""
    return orjson.dumps({"error": f"{fault.reason}: {fault.info}"})


def server_metadata(identity: Identity) -> Mapping[str, object]:
    """Return what the server is."""
    return {"name": "churn", "version": identity.version, "extensions": ["binary_tensor_data"]}


def model_metadata(identity: Identity, model: Model) -> Mapping[str, object]:
    """Return the model's tensors."""
    kinds = {"numeric": "FP32", "categorical": "BYTES"}
    return {
        "name": identity.name,
        "versions": [identity.version],
        "platform": "churn_onnx",
        "inputs": [
            {
                "name": entry.name,
                "datatype": kinds[entry.kind],
                "shape": [-1, 1],
                "parameters": {"required": entry.required},
            }
            for entry in model.inputs
        ],
        "outputs": [
            {"name": "churn", "datatype": "FP64", "shape": [-1]},
            {"name": "contacted", "datatype": "BOOL", "shape": [-1]},
        ],
    }
