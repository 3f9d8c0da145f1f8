"""What the server says of itself to programs: an OpenAPI document."""

from typing import TYPE_CHECKING, Any

from seldon.serving.answer import Identity
from seldon.serving.columns import MAX_TEXT
from seldon.serving.model import OUTPUTS, Model

if TYPE_CHECKING:
    from seldon.serving.limits import Limits

Schema = dict[str, Any]


def _header(name: str, description: str, pattern: str) -> Schema:
    schema = {"type": "string", "pattern": pattern}
    return {"name": name, "in": "header", "required": False, "description": description, "schema": schema}


_ID = "^[A-Za-z0-9._:-]{1,128}$"
_TOKEN = _header("x-customer-id", "token of the customer the request is about", "^cus_[0-9a-f]{32}$")
_REQUEST_ID = _header("x-request-id", "names the request in the prediction log; made when absent", _ID)
_PUID: Schema = {"type": "string", "pattern": _ID}
_META: Schema = {"type": "object", "properties": {"puid": _PUID}}
_SNAPSHOT: Schema = {
    "type": "object",
    "description": "where the features of customers asked for by token come from",
    "properties": {
        "version": {"type": "integer"},
        "digest": {"type": "string"},
        "cutoff": {"type": "string", "format": "date"},
        "age_hours": {"type": "number"},
    },
    "required": ["version", "digest", "cutoff", "age_hours"],
}
_LABELS: Schema = {"type": "array", "items": {"type": "number", "enum": [0, 1]}}
FAULTS = {
    "400": "the request does not fit; the message names the field",
    "404": "customers asked for by token that the snapshot does not know; meta.tags.unknown lists them",
    "408": "the body did not arrive in time",
    "413": "the body or its number of rows is too large",
    "415": "the body is neither JSON nor a form with the field json",
    "503": "more requests wait than are taken, or there is no customer snapshot that may be answered from",
}


def openapi(model: Model, identity: Identity, limits: "Limits") -> Schema:
    """Return the OpenAPI 3.1 document of all paths."""
    predictions = _post(
        "Score customers", "#/components/schemas/SeldonRequest", "#/components/schemas/SeldonResponse", "SeldonFault"
    )
    feedback = _post(
        "Report what became of customers", "#/components/schemas/Feedback", "#/components/schemas/Meta", "SeldonFault"
    )
    infer = _post(
        "Score customers, a tensor for each feature",
        "#/components/schemas/InferenceRequest",
        "#/components/schemas/InferenceResponse",
        "InferenceFault",
    )
    name = f"/v2/models/{identity.name}"
    paths: dict[str, Schema] = {
        **dict.fromkeys(("/api/v1.0/predictions", "/api/v0.1/predictions", "/predict"), predictions),
        **dict.fromkeys(("/api/v1.0/feedback", "/api/v0.1/feedback", "/send-feedback"), feedback),
        "/health/ping": _get("The process lives", "text/plain", {"type": "string", "const": "pong"}),
        "/health/status": _ready("The model is warm and the process is not about to end"),
        "/metadata": _get("The model's columns", "application/json", {"type": "object"}),
        "/metrics": _get("Prometheus metrics", "text/plain", {"type": "string"}),
        "/seldon.json": _get("This document", "application/json", {"type": "object"}),
        "/docs": _get("A page for people", "text/html", {"type": "string"}),
        "/v2": _get("The server", "application/json", {"type": "object"}),
        "/v2/health/live": _get("The process lives", "application/json", {"type": "object"}),
        "/v2/health/ready": _ready("The model is warm and the process is not about to end"),
    }
    for path in (name, f"{name}/versions/{identity.version}"):
        paths[path] = _get("The model's tensors", "application/json", {"type": "object"})
        paths[f"{path}/ready"] = _ready("The model is warm and the process is not about to end")
        paths[f"{path}/infer"] = infer
    return {
        "openapi": "3.1.0",
        "info": {"title": f"Churn predictions of {identity.deployment}", "version": identity.version},
        "paths": paths,
        "components": {"schemas": _schemas(model, limits)},
    }


def _schemas(model: Model, limits: "Limits") -> dict[str, Schema]:
    names = [entry.name for entry in model.inputs]
    required = [entry.name for entry in model.inputs if entry.required]
    number: Schema = {"type": "number", "minimum": -3.4e38, "maximum": 3.4e38}
    text: Schema = {"type": "string", "maxLength": MAX_TEXT, "pattern": "^[^@]*$"}
    kinds = {
        (kind, needed): {**schema, "type": schema["type"] if needed else [schema["type"], "null"]}
        for kind, schema in (("numeric", number), ("categorical", text))
        for needed in (True, False)
    }
    row: Schema = {
        "type": "object",
        "properties": {
            entry.name: {**kinds[entry.kind, entry.required], "description": entry.description}
            for entry in model.inputs
        },
        "required": required,
        "additionalProperties": False,
    }
    columns: Schema = {
        "type": "array",
        "items": {"enum": names},
        "uniqueItems": True,
        "minItems": 1,
        "allOf": [{"contains": {"const": name}} for name in required],
        "description": "in any order; each row has one value for each name",
    }
    values: Schema = {"type": "array", "items": {"type": ["number", "string", "null"]}}
    rows: Schema = {"type": "array", "minItems": 1, "maxItems": limits.rows}
    tensor: Schema = {
        "type": "object",
        "properties": {
            "shape": {"type": "array", "items": {"type": "integer", "minimum": 1}, "minItems": 2, "maxItems": 2},
            "values": values,
        },
        "required": ["shape", "values"],
    }
    data: Schema = {
        "type": "object",
        "properties": {"names": columns, "ndarray": {**rows, "items": values}, "tensor": tensor},
        "required": ["names"],
        "oneOf": [{"required": ["ndarray"]}, {"required": ["tensor"]}],
    }
    customers: Schema = {
        "type": "object",
        "properties": {"customers": {**rows, "items": {"type": "string", "pattern": "^cus_[0-9a-f]{32}$"}}},
        "required": ["customers"],
        "additionalProperties": False,
        "description": "customers by their tokens; their features come from the newest customer snapshot",
    }
    json_data: Schema = {"oneOf": [{**rows, "items": row}, row, customers]}
    fault: Schema = {
        "type": "object",
        "properties": {
            "status": {
                "type": "object",
                "properties": {
                    "code": {"type": "integer"},
                    "info": {"type": "string"},
                    "reason": {"type": "string"},
                    "status": {"const": "FAILURE"},
                },
                "required": ["code", "info", "reason", "status"],
            },
            "meta": _META,
        },
        "required": ["status"],
    }
    return {
        "SeldonRequest": {
            "oneOf": [
                {
                    "type": "object",
                    "properties": {"data": data, "meta": _META},
                    "required": ["data"],
                    "additionalProperties": False,
                },
                {
                    "type": "object",
                    "properties": {"jsonData": json_data, "meta": _META},
                    "required": ["jsonData"],
                    "additionalProperties": False,
                },
            ]
        },
        "SeldonResponse": _seldon_response(),
        "SeldonFault": fault,
        "Meta": {"type": "object", "properties": {"meta": {"type": "object"}}, "required": ["meta"]},
        "Feedback": {
            "type": "object",
            "properties": {
                "request": {"type": "object", "properties": {"meta": _META}},
                "response": {"type": "object", "properties": {"meta": _META}},
                "reward": {"type": "number", "minimum": -1e9, "maximum": 1e9},
                "truth": {
                    "type": "object",
                    "properties": {
                        "data": {"type": "object", "properties": {"ndarray": _LABELS}, "required": ["ndarray"]}
                    },
                },
            },
        },
        **_inference_schemas(names, limits),
    }


def _seldon_response() -> Schema:
    pair: Schema = {"type": "array", "items": {"type": "number", "minimum": 0, "maximum": 1}}
    return {
        "type": "object",
        "properties": {
            "data": {
                "type": "object",
                "properties": {
                    "names": {"const": list(OUTPUTS)},
                    "ndarray": {"type": "array", "items": {**pair, "minItems": 2, "maxItems": 2}},
                    "tensor": {"type": "object", "properties": {"values": pair}, "required": ["shape", "values"]},
                },
                "required": ["names"],
            },
            "meta": {
                "type": "object",
                "properties": {
                    "puid": _PUID,
                    "tags": {
                        "type": "object",
                        "properties": {
                            "version": {"type": "string"},
                            "digest": {"type": "string"},
                            "track": {"enum": ["stable", "canary"]},
                            "contacted": {"type": "array", "items": {"type": "boolean"}},
                            "snapshot": _SNAPSHOT,
                            "warning": {"type": "string"},
                        },
                    },
                    "metrics": {"type": "array", "items": {"type": "object"}},
                },
                "required": ["puid", "tags"],
            },
        },
        "required": ["data", "meta"],
    }


def _inference_schemas(names: list[str], limits: "Limits") -> dict[str, Schema]:
    tensor: Schema = {
        "type": "object",
        "properties": {
            "name": {"enum": names},
            "datatype": {"enum": ["FP32", "FP64", "INT32", "INT64", "BYTES"]},
            "shape": {
                "type": "array",
                "prefixItems": [{"type": "integer", "minimum": 1, "maximum": limits.rows}, {"const": 1}],
                "items": False,
                "minItems": 1,
            },
            "data": {"type": "array", "items": {"type": ["number", "string", "null"]}},
        },
        "required": ["name", "datatype", "shape", "data"],
    }
    output: Schema = {"type": "object", "properties": {"name": {"enum": ["churn", "contacted"]}}, "required": ["name"]}
    return {
        "InferenceRequest": {
            "type": "object",
            "properties": {
                "id": _PUID,
                "inputs": {"type": "array", "items": tensor, "minItems": 1},
                "outputs": {"type": "array", "items": output},
            },
            "required": ["inputs"],
        },
        "InferenceResponse": {
            "type": "object",
            "properties": {
                "model_name": {"type": "string"},
                "model_version": {"type": "string"},
                "id": _PUID,
                "outputs": {"type": "array", "items": {"type": "object"}},
            },
            "required": ["model_name", "model_version", "id", "outputs"],
        },
        "InferenceFault": {"type": "object", "properties": {"error": {"type": "string"}}, "required": ["error"]},
    }


def _post(summary: str, asked: str, answered: str, fault: str) -> Schema:
    failed = {"application/json": {"schema": {"$ref": f"#/components/schemas/{fault}"}}}
    return {
        "post": {
            "summary": summary,
            "parameters": [_TOKEN, _REQUEST_ID],
            "requestBody": {"required": True, "content": {"application/json": {"schema": {"$ref": asked}}}},
            "responses": {
                "200": {"description": "done", "content": {"application/json": {"schema": {"$ref": answered}}}},
                **{code: {"description": text, "content": failed} for code, text in FAULTS.items()},
            },
        }
    }


def _get(summary: str, content_type: str, schema: Schema) -> Schema:
    found = {"description": summary, "content": {content_type: {"schema": schema}}}
    return {"get": {"summary": summary, "responses": {"200": found}}}


def _ready(summary: str) -> Schema:
    schema: Schema = {
        "type": "object",
        "properties": {"ready": {"type": "boolean"}, "version": {"type": "string"}},
        "required": ["ready"],
    }
    page = _get(summary, "application/json", schema)
    content = {"application/json": {"schema": schema}}
    page["get"]["responses"]["503"] = {"description": "the process is about to end", "content": content}
    return page
