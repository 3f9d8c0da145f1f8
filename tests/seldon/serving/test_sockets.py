import socket
import time
from collections.abc import Iterator

import pytest

from seldon.serving.sockets import deafen, listen, take_waiting


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    [listener] = listen("127.0.0.1", [0])
    listener.listen(16)
    with listener:
        yield listener


def test_what_waits_is_taken_and_what_was_sent_can_be_read(listener: socket.socket) -> None:
    with socket.create_connection(listener.getsockname()) as early:
        early.sendall(b"a question")
        deafen(listener)
        early.sendall(b", and more")

        [taken] = take_waiting(listener)

        with taken:
            time.sleep(0.1)
            assert taken.recv(100) == b"a question, and more"
            taken.sendall(b"an answer")
            assert early.recv(100) == b"an answer"


def test_a_deaf_socket_lets_in_nobody_and_refuses_when_it_is_gone(listener: socket.socket) -> None:
    deafen(listener)

    with socket.socket() as late:
        late.settimeout(0.3)
        with pytest.raises(TimeoutError):
            late.connect(listener.getsockname())
        assert take_waiting(listener) == []

    address = listener.getsockname()
    listener.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address)


def test_a_filter_that_cannot_be_set_is_no_error() -> None:
    with socket.socket(socket.AF_UNIX) as other:
        other.close()

        deafen(other)
