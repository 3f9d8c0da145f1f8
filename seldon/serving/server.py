"""The process around the application: sockets, the event loop, and an end that loses no request."""

import asyncio
import json
import os
import platform
import signal
import socket
import time
import zlib
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Protocol

import uvicorn

from seldon.serving.sockets import deafen, take_waiting
from seldon.serving.whole_answers import Header, WholeAnswers

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_BACKLOG = 2048
_HANDSHAKE = 0.1
"""Seconds for a handshake that has begun to end."""
_FIRST_REQUEST = 1.0
"""Seconds for who has connected to ask something."""


class Application(Protocol):
    """What the process serves."""

    in_flight: Callable[[], int]
    """Set by the process: requests accepted and not answered."""

    def drain(self) -> None:
        """Say to callers that the process is about to end."""
        ...

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 - as ASGI has it
        """Answer one request."""
        ...


class Server(uvicorn.Server):
    """Announces itself on stdout, and drains on SIGTERM.

    A request counts as accepted once the kernel has taken its connection. So for a grace period everything goes on,
    with every answer closing its connection; then what still waits in the kernel's queue is taken, no more; and the
    process ends when all is answered, and who has connected has had a second to ask.
    """

    def __init__(
        self, app: Application, *, drain_seconds: float, grace_seconds: float, headers: Sequence[Header] = ()
    ) -> None:
        """Configure uvicorn for one application and nothing else; every answer carries the headers."""
        config = uvicorn.Config(
            app,
            loop="uvloop",
            http=partial(WholeAnswers, headers=headers),  # type: ignore[arg-type]
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            backlog=_BACKLOG,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=max(1, round(drain_seconds - grace_seconds)),
        )
        super().__init__(config)
        self._app = app
        self._grace = grace_seconds
        app.in_flight = self.server_state.tasks.__len__

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then say so in one line of JSON."""
        await super().startup(sockets)
        port = (sockets or [])[0].getsockname()[1]
        print(json.dumps({"event": "ready", "port": port, "pid": os.getpid()}), flush=True)

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Begin to drain at the first signal; the exit status of a drained process is 0."""
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            loop.add_signal_handler(number, self._begin_to_end)
        yield

    def _begin_to_end(self) -> None:
        self._app.drain()
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer what was accepted, then end."""
        await asyncio.sleep(self._grace / 2)
        loop = asyncio.get_running_loop()
        for listener in sockets or []:
            deafen(listener)
        await asyncio.sleep(_HANDSHAKE)
        for server, listener in zip(self.servers, sockets or [], strict=True):
            # The loop closes its own at once, and with the last one goes what waits in the kernel.
            with listener.dup() as kept:
                server.close()
                for connection in take_waiting(kept):
                    await loop.connect_accepted_socket(self._protocol, connection)
        await asyncio.sleep(self._grace / 2)
        await self._until_asked()
        await super().shutdown(sockets)

    async def _until_asked(self) -> None:
        """Wait for the first request of who has connected: the base class would hang up on them."""
        until = time.monotonic() + _FIRST_REQUEST
        while any(map(_unasked, self.server_state.connections)) and time.monotonic() < until:
            await asyncio.sleep(0.01)

    def _protocol(self) -> asyncio.Protocol:
        kind: Callable[..., asyncio.Protocol] = self.config.http_protocol_class
        return kind(config=self.config, server_state=self.server_state, app_state={})


def _unasked(connection: object) -> bool:
    return getattr(connection, "cycle", None) is None


def process_name() -> str:
    """Return a name that no other process of this deployment had: a container's process id is always 1."""
    return f"{os.getpid()}-{time.time_ns() // 1_000_000:x}-{zlib.crc32(platform.node().encode()):08x}"
