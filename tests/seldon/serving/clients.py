"""What real clients get from a server; started with .venv-seldon, which has nothing else of the project.

Arguments are what to do and the server's port; standard input holds names and rows; prints what came back as JSON.
"""

import json
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

Rows = list[list[Any]]


def by_seldon(port: int, names: list[str], rows: Rows) -> dict[str, Any]:
    """Ask by SeldonClient in every form it knows, and give feedback."""
    from seldon_core.seldon_client import SeldonClient

    client = SeldonClient(microservice_endpoint=f"127.0.0.1:{port}")
    numbers = np.array([row[:2] for row in rows], dtype=float)
    objects = [dict(zip(names, row, strict=True)) for row in rows]
    asked = {
        "ndarray": {"data": np.array(rows, dtype=object), "names": names, "payload_type": "ndarray"},
        "tensor": {"data": numbers, "names": names[:2], "payload_type": "tensor"},
        "jsonData": {"json_data": objects},
        "refused": {"data": numbers[:, :1], "names": names[:1], "payload_type": "ndarray"},
    }
    answers = {form: client.microservice(method="predict", **words) for form, words in asked.items()}
    answers["feedback"] = client.microservice_feedback(reward=0.5)
    return {form: _said(answer) for form, answer in answers.items()}


def by_grpc(port: int, names: list[str], rows: Rows) -> dict[str, Any]:
    """Ask by SeldonClient over gRPC."""
    from seldon_core.seldon_client import SeldonClient

    client = SeldonClient(microservice_endpoint=f"127.0.0.1:{port}", transport="grpc")
    data = np.array([row[:2] for row in rows], dtype=float)
    answer = client.microservice(method="predict", data=data, names=names[:2], payload_type="tensor")
    return _said(answer)


def _said(answer: Any) -> dict[str, Any]:
    from seldon_core.utils import seldon_message_to_json

    read = answer.response if isinstance(answer.response, dict | None) else seldon_message_to_json(answer.response)
    return {"success": answer.success, "response": read}


def by_triton(port: int, names: list[str], rows: Rows) -> dict[str, Any]:
    """Ask by tritonclient, with tensors in JSON and in binary."""
    from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput
    from tritonclient.utils import InferenceServerException

    client = InferenceServerClient(f"127.0.0.1:{port}")
    columns = list(zip(*rows, strict=True))

    def tensors(*, binary: bool) -> list[Any]:
        given = []
        for name, values in zip(names, columns, strict=True):
            text = isinstance(values[0], str)
            tensor = InferInput(name, [len(values), 1], "BYTES" if text else "FP32")
            array = np.array(values, dtype=object if text else np.float32).reshape(-1, 1)
            given.append(tensor.set_data_from_numpy(array, binary_data=binary))
        return given

    def scores(**words: Any) -> list[float]:
        values: list[float] = client.infer("churn", **words).as_numpy("churn").tolist()
        return values

    outputs = [InferRequestedOutput("churn", binary_data=False)]
    try:
        client.infer("churn", tensors(binary=False)[:1])
        refused = ""
    except InferenceServerException as error:
        refused = str(error)
    return {
        "live": client.is_server_live() and client.is_server_ready(),
        "ready": client.is_model_ready("churn") and client.is_model_ready("churn", "7"),
        "inputs": [entry["name"] for entry in client.get_model_metadata("churn")["inputs"]],
        "json": scores(inputs=tensors(binary=False), outputs=outputs),
        "binary": scores(inputs=tensors(binary=True), outputs=outputs),
        "default": scores(inputs=tensors(binary=True)),
        "refused": refused,
    }


CLIENTS: dict[str, Callable[[int, list[str], Rows], dict[str, Any]]] = {
    "seldon": by_seldon,
    "grpc": by_grpc,
    "triton": by_triton,
}

if __name__ == "__main__":
    request = json.load(sys.stdin)
    print(json.dumps(CLIENTS[sys.argv[1]](int(sys.argv[2]), request["names"], request["rows"])))
