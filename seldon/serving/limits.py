"""How much the server takes and holds at most."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """What the server takes at most.

    Attributes:
        body: bytes of a request.
        rows: rows of a request.
        in_flight: requests accepted and not answered, above which more are refused with 503.
        seconds: for a body to arrive.
        drill: share of the requests that fail on purpose, to rehearse a rollback.
    """

    body: int = 4 * 2**20
    rows: int = 1_000
    in_flight: int = 256
    seconds: float = 10.0
    drill: float = 0.0


SNAPSHOT_SECONDS = 1.0
"""Between two looks for a new customer snapshot."""


@dataclass(frozen=True)
class LogLimits:
    """How much the log holds.

    Attributes:
        seconds: age at which an object is finished.
        rows: rows after which it is finished earlier.
        queue: rows that may wait beyond these, while the object before is made or written.
        pending: bytes of finished objects that may wait to be written.
    """

    seconds: float = 10.0
    rows: int = 20_000
    queue: int = 10_000
    pending: int = 16 * 2**20
