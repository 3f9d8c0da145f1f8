"""The ASGI application: which path means what, and what is refused."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import orjson

from seldon.serving import inference_protocol as inference
from seldon.serving import seldon_protocol as seldon
from seldon.serving.answer import Identity
from seldon.serving.begun import begun
from seldon.serving.booleans import may_hold_booleans
from seldon.serving.columns import Columns
from seldon.serving.customers import Customers, Staleness
from seldon.serving.docs_page import docs_page
from seldon.serving.faults import Fault
from seldon.serving.limits import Limits
from seldon.serving.messages import Messages
from seldon.serving.metrics import Metrics
from seldon.serving.model import Model
from seldon.serving.openapi import openapi
from seldon.serving.prediction_log import PredictionLog
from seldon.serving.request import Request, read_headers
from seldon.serving.scorer import Scorer
from seldon.serving.tally import Service

Receive = Callable[[], Coroutine[Any, Any, Any]]
Send = Callable[[Any], Awaitable[None]]
Header = tuple[bytes, bytes]

_JSON: Final = b"application/json"
_GET: Final = ("GET", "HEAD")
_DISCARDED: Final = 16


@dataclass(frozen=True)
class _Page:
    """Something to read."""

    text: Callable[[], bytes]
    content_type: bytes = _JSON
    status: Callable[[], int] = lambda: 200


@dataclass(frozen=True)
class _Action:
    """Something to post a message to."""

    service: Service
    answer: Callable[[Request, float], Awaitable[bytes]]
    methods: tuple[str, ...] = ("POST",)


class App:
    """Serves one model."""

    def __init__(
        self,
        model: Model,
        identity: Identity,
        limits: Limits,
        metrics: Metrics,
        log: PredictionLog | None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Bind the parts together.

        Args:
            model: checked and warm.
            identity: what answers say of who answered.
            limits: what is refused.
            metrics: counts.
            log: takes every prediction, if there is one.
            clock: seconds since 1970; dates predictions.
        """
        self._model, self._identity, self._limits, self._metrics = model, identity, limits, metrics
        self._clock = clock
        self._scorer = Scorer(model, metrics.tally, log, clock)
        self._columns = Columns(model, limits.rows)
        self._messages = Messages(self._columns)
        self._customers: Customers | None = None
        self._draining = False
        self._headers: list[Header] = []
        self._routes = self._table()

    @property
    def in_flight(self) -> Callable[[], int]:
        """Requests accepted and not answered, of which only the process around the application knows."""
        return self._scorer.in_flight

    @in_flight.setter
    def in_flight(self, count: Callable[[], int]) -> None:
        self._scorer.in_flight = count

    def take_customers(self, folder: Path, staleness: Staleness, seconds: float) -> None:
        """Answer customers by token from here on, from the snapshots of a folder, looked for every so often."""
        self._customers = Customers(folder, self._model, self._columns, self._metrics, staleness, self._clock)
        self._customers.watch(seconds)

    def drain(self) -> None:
        """Say to probes and callers that this process is about to end; requests are answered as before."""
        if not self._draining:
            self._draining = True
            self._headers = [(b"connection", b"close")]

    def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> Coroutine[Any, Any, None]:
        """Answer one request."""
        started = time.perf_counter()
        request, fault = read_headers(scope["headers"], scope["query_string"])
        route = self._routes.get(scope["path"])
        if isinstance(route, _Action) and scope["method"] in route.methods:
            return self._act(route, request, fault, started, receive, send)
        if isinstance(route, _Page) and scope["method"] in _GET:
            return self._send(send, request, route.status(), route.content_type, route.text())
        return self._refuse(send, request, scope["path"], route)

    async def _act(
        self, action: _Action, request: Request, fault: str | None, started: float, receive: Receive, send: Send
    ) -> None:
        extra: tuple[Header, ...] = ()
        try:
            if fault is not None:
                raise Fault(400, "BAD_HEADER", fault)
            if self._limits.drill and random.random() < self._limits.drill:
                raise Fault(500, "DRILL", "this server fails on purpose, to rehearse a rollback")
            if self.in_flight() > self._limits.in_flight:
                raise Fault(503, "OVERLOADED", "more requests wait than are taken; try again", retry_after=1)
            if not await self._read_body(request, receive):
                return
            status, body = 200, await action.answer(request, started)
        except Fault as error:
            status, body, extra = error.status, _write_fault(error, action.service, request), _headers_of(error)
        except Exception:
            # A defect of this program; what it was says nothing to the caller, and its text might hold their data.
            self._metrics.defects.inc()
            defect = Fault(500, "DEFECT", "the server failed to answer; its metric churn_defects counts this")
            status, body = defect.status, _write_fault(defect, action.service, request)
        self._metrics.tally.answered(action.service, status, time.perf_counter() - started)
        await self._send(send, request, status, _JSON, body, extra)

    async def _read_body(self, request: Request, receive: Receive) -> bool:
        """Read the body; false when the caller has gone."""
        limit = self._limits.body
        if request.content_length is not None and request.content_length > limit:
            # A body of bearable size is read to its end unseen, so that the caller gets to read the answer.
            raise self._too_large(closes=request.content_length > limit * _DISCARDED)
        message, rest = begun(receive())
        if rest is None and message["type"] == "http.request" and not message.get("more_body"):
            request.body = message["body"]
            if len(request.body) > limit:
                raise self._too_large()
            return True
        try:
            async with asyncio.timeout(self._limits.seconds):
                return await self._read_parts(request, receive, message if rest is None else await rest)
        except TimeoutError:
            info = f"the body did not arrive within {self._limits.seconds:g} seconds"
            raise Fault(408, "TOO_SLOW", info, closes=True) from None

    async def _read_parts(self, request: Request, receive: Receive, message: Any) -> bool:  # noqa: ANN401 - as ASGI has it
        parts = []
        size = 0
        while message["type"] == "http.request":
            parts.append(message["body"])
            size += len(message["body"])
            if size > self._limits.body:
                raise self._too_large()
            if not message.get("more_body"):
                request.body = b"".join(parts)
                return True
            message = await receive()
        return False

    def _too_large(self, *, closes: bool = True) -> Fault:
        return Fault(413, "TOO_LARGE", f"the body: at most {self._limits.body} bytes are taken", closes=closes)

    async def _predict(self, request: Request, started: float) -> bytes:
        text = seldon.json_text(request)
        asked = self._messages.read(text) or self._read_in_full(text)
        scored = await self._scorer.score(asked.rows, request, started)
        return seldon.write_message(scored, self._identity, asked.puid or request.id, tensor=asked.tensor)

    def _read_in_full(self, text: bytes) -> seldon.Message:
        lookup = self._customers.rows if self._customers is not None else None
        booleans = partial(may_hold_booleans, text)
        message = seldon.read_message(seldon.parsed(text), self._columns, booleans, lookup)
        self._messages.remember(text)
        return message

    async def _infer(self, request: Request, started: float) -> bytes:
        booleans = partial(may_hold_booleans, request.body)
        rows, given_id, outputs = inference.read_inference(request, self._columns, booleans)
        scored = await self._scorer.score(rows, request, started)
        return inference.write_inference(scored, self._identity, given_id or request.id, outputs)

    async def _take_feedback(self, request: Request, started: float) -> bytes:
        reward, labels, puid = seldon.read_feedback(seldon.parsed(seldon.json_text(request)))
        self._metrics.rewards.inc(reward)
        for label in labels:
            self._metrics.feedback.labels("churned" if label else "stayed").inc()
        return seldon.write_feedback(self._identity, puid or request.id)

    async def _refuse(self, send: Send, request: Request, path: str, route: _Action | _Page | None) -> None:
        """Answer a path or method that does not exist."""
        extra: tuple[Header, ...] = ()
        if route is None:
            fault = Fault(404, "NOT_FOUND", "no such path; /seldon.json lists them")
        else:
            allowed = ", ".join(route.methods if isinstance(route, _Action) else _GET)
            fault = Fault(405, "METHOD_NOT_ALLOWED", f"the method must be {allowed}")
            extra = ((b"allow", allowed.encode()),)
        service: Service = "infer" if path.startswith("/v2") else "predictions"
        await self._send(send, request, fault.status, _JSON, _write_fault(fault, service, request), extra)

    async def _send(
        self,
        send: Send,
        request: Request,
        status: int,
        content_type: bytes,
        body: bytes,
        extra: tuple[Header, ...] = (),
    ) -> None:
        headers = [
            (b"content-type", content_type),
            (b"content-length", b"%d" % len(body)),
            (b"x-request-id", request.id.encode()),
            *self._headers,
            *extra,
        ]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _table(self) -> dict[str, _Action | _Page]:
        """Return what each path means, below the root and below the deployment's external path."""
        identity, model = self._identity, self._model
        predict, infer = _Action("predictions", self._predict), _Action("infer", self._infer)
        feedback = _Action("feedback", self._take_feedback)
        either: Any = ("GET", "POST")
        names = [entry.name for entry in model.inputs]
        docs = _Page(_fixed(docs_page(model, identity, self._limits)), b"text/html; charset=utf-8")
        metrics = _Page(self._metrics.text, self._metrics.content_type.encode())
        ready = _Page(self._state, status=lambda: 503 if self._draining else 200)
        in_v2 = _Page(_json(inference.model_metadata(identity, model)))
        routes: dict[str, _Action | _Page] = {
            "/": docs,
            "/docs": docs,
            "/seldon.json": _Page(_json(openapi(model, identity, self._limits))),
            "/api/v1.0/predictions": predict,
            "/api/v0.1/predictions": predict,
            "/predict": _Action("predictions", self._predict, either),
            "/api/v1.0/feedback": feedback,
            "/api/v0.1/feedback": feedback,
            "/send-feedback": _Action("feedback", self._take_feedback, either),
            "/health/ping": _Page(_fixed(b"pong"), b"text/plain; charset=utf-8"),
            "/health/status": ready,
            "/metadata": _Page(_fixed(seldon.metadata(identity, names))),
            "/metrics": metrics,
            "/prometheus": metrics,
            "/v2": _Page(_json(inference.server_metadata(identity))),
            "/v2/health/live": _Page(_fixed(b'{"live":true}')),
            "/v2/health/ready": ready,
        }
        for path in (
            f"/v2/models/{identity.name}",
            f"/v2/models/{identity.name}/versions/{identity.version}",
        ):
            routes |= {path: in_v2, f"{path}/ready": ready, f"{path}/infer": infer}
        outside = f"/seldon/{identity.namespace}/{identity.deployment}"
        return routes | {outside + path: route for path, route in routes.items()}

    def _state(self) -> bytes:
        return orjson.dumps({"ready": not self._draining, "version": self._identity.version})


def _write_fault(fault: Fault, service: Service, request: Request) -> bytes:
    return inference.write_fault(fault) if service == "infer" else seldon.write_fault(fault, request.id)


def _headers_of(fault: Fault) -> tuple[Header, ...]:
    closing: tuple[Header, ...] = ((b"connection", b"close"),) if fault.closes else ()
    if not fault.retried:
        closing += ((b"x-envoy-ratelimited", b"true"),)  # after which Envoy tries no other server
    return closing if fault.retry_after is None else (*closing, (b"retry-after", str(fault.retry_after).encode()))


def _fixed(content: bytes) -> Callable[[], bytes]:
    return lambda: content


def _json(document: Mapping[str, object]) -> Callable[[], bytes]:
    return _fixed(orjson.dumps(document))
