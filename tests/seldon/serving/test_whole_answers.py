import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple

import pytest
import uvicorn
from uvicorn.server import ServerState

from seldon.serving.whole_answers import Header, WholeAnswers

BODY = b"HTTP/1.1 is what this page is about\r\n and that"


class Caller(asyncio.Transport):
    """Keeps what is written, write by write."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[bytes] = []
        self.gone = False

    def write(self, data: Any) -> None:
        self.heard.append(bytes(data))

    def close(self) -> None:
        self.gone = True

    def is_closing(self) -> bool:
        return self.gone

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


async def page(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    length = str(len(BODY)).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]})
    if scope["path"] == "/broken":
        raise ValueError("between head and body")
    await send({"type": "http.response.body", "body": BODY})


class Heard(NamedTuple):
    writes: list[bytes]
    gone: bool


def ask(*requests: bytes, headers: Sequence[Header] = ()) -> Heard:
    async def go() -> Heard:
        caller = Caller()
        config = uvicorn.Config(page, http=WholeAnswers, lifespan="off", log_config=None)
        protocol = WholeAnswers(config=config, server_state=ServerState(), app_state={}, headers=headers)
        protocol.connection_made(caller)
        for request in requests:
            protocol.data_received(request)
            for _ in range(3):
                await asyncio.sleep(0)
        return Heard([*caller.heard], caller.gone)

    return asyncio.run(go())


def test_head_and_body_leave_together() -> None:
    [first, second] = ask(*[b"GET / HTTP/1.1\r\n\r\n"] * 2).writes

    assert first == second
    assert first.startswith(b"HTTP/1.1 200 OK\r\n")
    assert first.endswith(b"\r\n\r\n" + BODY)


@pytest.mark.parametrize("request_", [b"GET / HTTP/1.1\r\n\r\n", b"HEAD / HTTP/1.1\r\n\r\n", b"no HTTP at all\r\n\r\n"])
def test_every_answer_carries_the_headers_and_is_the_same_otherwise(request_: bytes) -> None:
    without, [carried] = ask(request_).writes, ask(request_, headers=[(b"x-a", b"1"), (b"x-b", b"2")]).writes

    assert [carried.replace(b"\r\nx-a: 1\r\nx-b: 2\r\n", b"\r\n")] == without
    assert carried.index(b"x-a: 1") < carried.index(b"\r\n\r\n")


def test_an_answer_without_body_leaves_too() -> None:
    [head, whole] = ask(b"HEAD / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n").writes

    assert head.endswith(b"\r\n\r\n")
    assert whole == head + BODY


def test_who_waits_to_be_told_to_go_on_is_told_at_once() -> None:
    asked = b"POST / HTTP/1.1\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n"

    assert ask(asked).writes == [b"HTTP/1.1 100 Continue\r\n\r\n"]
    assert [len(part.split(b"\r\n\r\n")) for part in ask(asked, b"{}").writes] == [2, 2]


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        pytest.param(b"GET /broken HTTP/1.1\r\n\r\n", b"200 OK", id="an application that breaks off"),
        pytest.param(b"GET / HTTP/1.0\r\n\r\n", b"200 OK", id="a caller that asks once"),
        pytest.param(b"nonsense\r\n\r\n", b"400 Bad Request", id="no HTTP"),
    ],
)
def test_what_was_begun_leaves_before_the_connection_ends(request_: bytes, status: bytes) -> None:
    caller = ask(request_)

    assert caller.gone
    [heard] = caller.writes
    assert heard.startswith(b"HTTP/1.1 " + status)
