"""Listening sockets: how they begin, and how they end without a connection lost."""

import ctypes
import socket
import struct
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

_SO_ATTACH_FILTER: Final = 26
_DROP_SYN: Final = b"".join(
    struct.pack("HBBI", *instruction)
    for instruction in (
        (0x30, 0, 0, 13),  # load the flags of the TCP header
        (0x45, 0, 1, 0x02),  # SYN among them?
        (0x06, 0, 0, 0),  # keep no byte
        (0x06, 0, 0, 0xFFFFFFFF),  # keep all
    )
)
"""A packet filter (BPF) that drops what opens a connection. The last packet of a handshake has no SYN."""


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


def deafen(listener: socket.socket) -> None:
    """Let a listening socket hear no new caller; whose handshake has begun is still let in.

    Who calls from here on gets no answer until the socket is gone, and is then refused: the kernel of the caller asks
    again after a second.
    """
    program = ctypes.create_string_buffer(_DROP_SYN)
    filled = struct.pack("HL", len(_DROP_SYN) // 8, ctypes.addressof(program))
    # A system without such filters keeps a gap of some microseconds between the last look and the end of a socket.
    with suppress(OSError):
        listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, filled)


def take_waiting(listener: socket.socket) -> list[socket.socket]:
    """Return the connections that the kernel has accepted and nobody has taken."""
    waiting: list[socket.socket] = []
    while True:
        try:
            connection, _ = listener.accept()
        except BlockingIOError:
            return waiting
        connection.setblocking(False)
        waiting.append(connection)
