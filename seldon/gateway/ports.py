"""Free ports of loopback, outside the range that the kernel gives to outgoing connections."""

import random
import socket
from collections.abc import Collection
from pathlib import Path

from churn.errors import ChurnError

_LOWEST = 15_000
_OUTGOING = Path("/proc/sys/net/ipv4/ip_local_port_range")


class NoFreePort(ChurnError):
    """Nothing is left to listen on."""


def free_port(taken: Collection[int], choice: random.Random) -> int:
    """Return a port nobody listens on and that is not in `taken`.

    Raises:
        NoFreePort: a thousand attempts found none.
    """
    for _ in range(1_000):
        port = choice.randrange(_LOWEST, _highest())
        if port not in taken and is_free(port):
            return port
    raise NoFreePort(f"127.0.0.1: no free port between {_LOWEST} and {_highest()}; end what listens there")


def is_free(port: int) -> bool:
    """Tell whether a server could listen there now; connections that linger from an earlier one do not count."""
    with socket.socket() as attempt:
        attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            attempt.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _highest() -> int:
    try:
        lowest_outgoing = int(_OUTGOING.read_text().split()[0])
    except (OSError, ValueError):
        return 32_768
    return lowest_outgoing if lowest_outgoing > _LOWEST + 1_000 else 65_535
