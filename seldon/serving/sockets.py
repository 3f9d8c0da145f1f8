"""Listening sockets: how they begin, and how they end without a connection lost."""

import ctypes
import socket
import struct
import time
from collections.abc import Sequence
from typing import Final

_SO_ATTACH_FILTER: Final = 26
_DROP_ALL: Final = struct.pack("HBBI", 0x06, 0, 0, 0)
"""A packet filter of one instruction: keep no byte."""
_SETTLED: Final = 0.005


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


def take_waiting(listener: socket.socket) -> list[socket.socket]:
    """Return the connections that the kernel has accepted and nobody has taken; it accepts no more.

    Between the last look at the queue and the end of the socket another one could come in, and be cut off. So the
    socket hears nothing new first (a filter drops what arrives; who calls then is refused a second later, when the
    socket is gone), and is given the time of a handshake to settle.
    """
    _deafen(listener)
    waiting: list[socket.socket] = []
    while True:
        try:
            connection, _ = listener.accept()
        except BlockingIOError:
            return waiting
        connection.setblocking(False)
        waiting.append(connection)


def _deafen(listener: socket.socket) -> None:
    program = ctypes.create_string_buffer(_DROP_ALL)
    try:
        listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HL", 1, ctypes.addressof(program)))
    except OSError:
        # A system without such filters: the gap of some microseconds stays.
        return
    time.sleep(_SETTLED)
