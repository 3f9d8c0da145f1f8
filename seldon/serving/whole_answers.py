"""Answers that leave in one write: uvicorn takes two, each of which wakes the caller, and that costs 5 µs.

The headers that all of them carry are put in ready-made: uvicorn would look at each anew every time.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

Header = tuple[bytes, bytes]

_HEAD: Final = b"HTTP/1.1 "
_CONTINUE: Final = b"HTTP/1.1 100 "
_END: Final = b"\r\n"


class WholeAnswers(HttpToolsProtocol):
    """uvicorn's protocol over a transport that waits for an answer's body."""

    transport: "_Joining"

    def __init__(self, *given: Any, headers: Sequence[Header] = (), **named: Any) -> None:  # noqa: ANN401 - uvicorn's
        """Take what uvicorn's protocol takes, and the headers of every answer."""
        super().__init__(*given, **named)
        self._after_status = _END + b"".join(b"%b: %b" % header + _END for header in headers)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin with a new connection."""
        super().connection_made(_Joining(transport, self._after_status))

    def on_response_complete(self) -> None:
        """Go on after an answer; one to HEAD has no body that would have taken its head along."""
        self.transport.flush()
        super().on_response_complete()


class _Joining(asyncio.Transport):
    """Keeps an answer's head, with more lines after its first, and writes it together with what comes next."""

    def __init__(self, transport: asyncio.Transport, after_status: bytes) -> None:
        super().__init__()
        self._transport, self._after_status = transport, after_status
        self._head = b""

    def write(self, data: Any) -> None:  # noqa: ANN401 - bytes of any kind
        if self._head:
            self._transport.write(self._head + data)
            self._head = b""
        elif data.startswith(_HEAD) and not data.startswith(_CONTINUE):
            self._head = data.replace(_END, self._after_status, 1)
        else:
            self._transport.write(data)

    def flush(self) -> None:
        if self._head:
            self.write(b"")

    def close(self) -> None:
        self.flush()
        self._transport.close()

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def get_extra_info(self, name: str, default: Any = None) -> Any:  # noqa: ANN401 - as asyncio has it
        return self._transport.get_extra_info(name, default)

    def pause_reading(self) -> None:
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        self._transport.resume_reading()
