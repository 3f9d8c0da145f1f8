"""The process around the application: sockets, the event loop, and an end that loses no request."""

import asyncio
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager

import uvicorn

from seldon.serving.app import App

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_BACKLOG = 2048


class Server(uvicorn.Server):
    """Announces itself on stdout, and drains on SIGTERM.

    A request counts as accepted once the kernel has taken its connection. So for a grace period everything goes on,
    with every answer closing its connection; then what still waits in the kernel's queue is taken, no more; and the
    process ends when all is answered.
    """

    def __init__(self, app: App, *, drain_seconds: float, grace_seconds: float) -> None:
        """Configure uvicorn for one application and nothing else."""
        config = uvicorn.Config(
            app,
            loop="uvloop",
            http="httptools",
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
        for server, listener in zip(self.servers, sockets or [], strict=True):
            server.close()
            await self._take_waiting(listener)
        await asyncio.sleep(self._grace / 2)
        await super().shutdown(sockets)

    async def _take_waiting(self, listener: socket.socket) -> None:
        """Take the connections that the kernel has accepted and the loop has not seen."""
        loop = asyncio.get_running_loop()
        waiting: list[socket.socket] = []
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                break
            connection.setblocking(False)
            waiting.append(connection)
        listener.close()
        for connection in waiting:
            await loop.connect_accepted_socket(self._protocol, connection)

    def _protocol(self) -> asyncio.Protocol:
        kind: Callable[..., asyncio.Protocol] = self.config.http_protocol_class
        return kind(config=self.config, server_state=self.server_state, app_state={})


def listen(host: str, ports: Sequence[int]) -> list[socket.socket]:
    """Bind the ports; 0 takes a free one.

    Raises:
        OSError: a port is taken, or the host is none of this machine.
    """
    sockets = []
    for port in ports:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.setblocking(False)
        sockets.append(listener)
    return sockets


def process_name() -> str:
    """Return a name that no other process of this deployment had: a container's process id is always the same."""
    return f"{os.getpid()}-{time.time_ns() // 1_000_000:x}"


def complain(message: str) -> None:
    """Say in one line on stderr why the process ends."""
    print(f"churn serving: {message}", file=sys.stderr)
