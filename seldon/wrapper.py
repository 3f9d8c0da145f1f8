"""The same bundle under the stock microservice: `seldon-core-microservice seldon.wrapper.Churn --service-type MODEL`.

Runs in the environment of `requirements/seldon.lock`. Rows are read, scored and answered by the prediction server's own
code; stock Flask stands around it, and gets what it would not refuse by itself refused by hooks of the application.
"""

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import orjson
from flask import Blueprint, Response, g, request
from flask.json.provider import JSONProvider
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound

from churn.bundle.errors import BundleInvalid
from seldon.serving import seldon_protocol as protocol
from seldon.serving.answer import Scored
from seldon.serving.columns import Columns
from seldon.serving.faults import Fault
from seldon.serving.model import open_model
from seldon.serving.options import read_options
from seldon.serving.refusal import REFUSED, WRONG_ARGUMENTS, complain
from seldon.serving.request import Request, read_headers

if TYPE_CHECKING:
    from flask.blueprints import BlueprintSetupState

_PREDICTIONS: Final = ("/predict", "/api/v1.0/predictions", "/api/v0.1/predictions")
_FEEDBACK: Final = ("/send-feedback", "/api/v1.0/feedback", "/api/v0.1/feedback")


class Churn:
    """Serves one bundle; parameters and variables are those of `python -m seldon.serving`.

    The bundle is opened when the object is made, not in `load`, whose errors the microservice partly swallows.
    """

    def __init__(self, **parameters: str) -> None:
        """Open the bundle, or end the process as the prediction server does.

        Args:
            parameters: of the predictive unit, such as `bundle` (or `model_uri`), `digest`, `version`, `max_rows`.
        """
        renamed = {"model_uri": "bundle"}
        words = [f"--{renamed.get(name, name).replace('_', '-')}={value}" for name, value in parameters.items()]
        options = read_options(words, os.environ)
        if options.log_to is not None:
            complain("the stock microservice writes no prediction log; leave log_to away, or run seldon.serving")
            raise SystemExit(WRONG_ARGUMENTS)
        try:
            self._model = open_model(Path(options.bundle), options.identity.digest)
        except BundleInvalid as error:
            complain(str(error))
            raise SystemExit(REFUSED) from None
        self._identity, self._limits = options.identity, options.limits
        self._columns = Columns(self._model, options.limits.rows)

    def predict_raw(self, message: Any) -> Any:  # noqa: ANN401 - a dict by REST, a SeldonMessage by gRPC
        """Answer a message in the form it came in."""
        if isinstance(message, dict | list):
            return self._answer(message)
        from seldon_core.utils import json_to_seldon_message, seldon_message_to_json

        answer = self._answer(seldon_message_to_json(message))
        # A counter of 0 is not there in a message by gRPC, and the microservice fails over what is not there.
        answer["meta"]["metrics"] = [metric for metric in answer["meta"]["metrics"] if metric["value"]]
        return json_to_seldon_message(orjson.loads(orjson.dumps(answer)))

    def send_feedback_raw(self, feedback: Any) -> Any:  # noqa: ANN401 - a Feedback
        """Answer feedback; the microservice has counted the reward."""
        from seldon_core.utils import json_to_seldon_message, seldon_message_to_json

        _, _, puid = protocol.read_feedback(seldon_message_to_json(feedback))
        return json_to_seldon_message(orjson.loads(protocol.write_feedback(self._identity, puid or _asked().id)))

    def health_status_raw(self) -> dict[str, Any]:
        """Return what the prediction server's `/health/status` says."""
        return {"ready": True, "version": self._identity.version}

    def init_metadata(self) -> dict[str, Any]:
        """Return what `/metadata` says."""
        names = [entry.name for entry in self._model.inputs]
        described: dict[str, Any] = orjson.loads(protocol.metadata(self._identity, names))
        return described

    @property
    def model_error_handler(self) -> Blueprint:
        """What the microservice adds to its Flask application."""
        hooks = Blueprint("churn", __name__)
        hooks.record_once(_use_strict_json)
        hooks.before_app_request(self._check)
        hooks.after_app_request(self._sign)
        hooks.app_errorhandler(Fault)(_write)
        hooks.app_errorhandler(HTTPException)(_write_http)
        return hooks

    def _answer(self, message: object) -> dict[str, Any]:
        try:
            asked = protocol.read_message(message, self._columns, lambda: True)
            rows = asked.rows
            scores = self._model.score(*self._model.matrices(rows.size, [rows.numbers], [rows.texts])).tolist()
        except Fault:
            raise
        except Exception:
            # Stock would answer with the exception's text, which might hold what a caller sent.
            raise Fault(500, "DEFECT", "the server failed to answer") from None
        contacted = [score >= self._model.threshold for score in scores]
        latency_ms = round((time.perf_counter() - g.started) * 1e3, 4) if g else 0.0
        scored = Scored(asked.rows, scores, contacted, latency_ms)
        return protocol.answer_message(scored, self._identity, asked.puid or _asked().id, tensor=asked.tensor)

    def _check(self) -> None:
        """Refuse before stock code reads it what that would take, or answer with an exception's text."""
        g.started = time.perf_counter()
        pairs = ((name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in request.headers)
        g.asked, fault = read_headers(pairs, request.query_string)
        asked: Request = g.asked
        if request.path not in _PREDICTIONS + _FEEDBACK or request.routing_exception is not None:
            return
        if request.endpoint == "static":  # where stock looks for files, at every path that it has not itself
            raise MethodNotAllowed(["POST"])
        if fault is not None:
            raise Fault(400, "BAD_HEADER", fault)
        limit = self._limits.body
        asked.body = b"" if (asked.content_length or 0) > limit else request.get_data()
        if max(asked.content_length or 0, len(asked.body)) > limit:
            raise Fault(413, "TOO_LARGE", f"the body: at most {limit} bytes are taken", closes=True)
        message = protocol.parsed(protocol.json_text(asked))
        if request.path in _FEEDBACK:
            protocol.read_feedback(message)

    def _sign(self, response: Response) -> Response:
        response.headers["x-request-id"] = _asked().id
        response.headers["x-churn-version"] = self._identity.version
        response.headers["x-churn-track"] = self._identity.track
        response.headers["x-churn-digest"] = self._identity.digest[:12]
        return response


class _StrictJson(JSONProvider):
    """JSON as the prediction server reads and writes it: without NaN."""

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:  # noqa: ANN401 - as Flask has it
        """Parse, or raise a `Fault`."""
        return protocol.parsed(s if isinstance(s, bytes) else s.encode())

    def dumps(self, obj: Any, **kwargs: Any) -> str:  # noqa: ANN401 - as Flask has it
        """Write."""
        return orjson.dumps(obj).decode()


def _use_strict_json(state: "BlueprintSetupState") -> None:
    app: Any = state.app
    app.json = _StrictJson(app)


def _asked() -> Request:
    """Return the request by its headers; by gRPC there is none."""
    known: Request | None = g.get("asked") if g else None
    return known or read_headers((), b"")[0]


def _write(fault: Fault) -> Response:
    response = Response(protocol.write_fault(fault, _asked().id), fault.status, content_type="application/json")
    if fault.closes:
        response.headers["connection"] = "close"
    return response


def _write_http(error: HTTPException) -> Response:
    match error:
        case NotFound():
            return _write(Fault(404, "NOT_FOUND", "no such path; /seldon.json lists them"))
        case MethodNotAllowed():
            allowed = ", ".join(sorted(set(error.valid_methods or ()) - {"OPTIONS"}))
            response = _write(Fault(405, "METHOD_NOT_ALLOWED", f"the method must be {allowed}"))
            response.headers["allow"] = allowed
            return response
    return _write(Fault(error.code or 500, "BAD_REQUEST", "the request cannot be answered"))
