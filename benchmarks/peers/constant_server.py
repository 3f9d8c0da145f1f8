"""The floor of any server: our own process around an application that reads a body and answers the same always."""

import sys
from collections.abc import Callable
from typing import Any

from seldon.serving.server import Server
from seldon.serving.sockets import listen

_ANSWER = b'{"data":{"names":["stay","churn"],"ndarray":[[0.5,0.5]]},"meta":{}}'
_HEADERS = [(b"content-type", b"application/json"), (b"content-length", str(len(_ANSWER)).encode())]


class Constant:
    """Stands where the application stands."""

    in_flight: Callable[[], int]

    def drain(self) -> None:
        """Has nothing to say to anybody."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 - as ASGI has it
        """Answer."""
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        await send({"type": "http.response.body", "body": _ANSWER})


if __name__ == "__main__":
    Server(Constant(), drain_seconds=2, grace_seconds=0).run(listen("127.0.0.1", [int(sys.argv[1])]))
