"""What a caller did wrong, or the server cannot do now: every answer that is not a prediction."""

import re
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Final

_SHOWABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}", re.ASCII)
_DIGITS: Final = re.compile(r"\d{5}", re.ASCII)
_SHOWN: Final = 5


class Fault(Exception):
    """An answer other than a prediction; never holds a value that a caller sent.

    Attributes:
        status: HTTP status.
        reason: stable code, such as `BAD_COLUMNS`.
        info: names the field and what it must be.
        closes: whether the rest of the request is unread, so that the connection cannot go on.
        retry_after: seconds after which it may be worth trying again.
        retried: whether the gateway may ask another server, which where all share the cause only costs time.
        tags: further facts, for `meta.tags`.
    """

    def __init__(
        self,
        status: int,
        reason: str,
        info: str,
        *,
        closes: bool = False,
        retry_after: int | None = None,
        retried: bool = True,
        tags: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(info)
        self.status = status
        self.reason = reason
        self.info = info
        self.closes = closes
        self.retry_after = retry_after
        self.retried = retried
        self.tags = tags


def bad_data(info: str) -> Fault:
    """Return the fault of a body that is not what the protocol asks for."""
    return Fault(400, "BAD_DATA", info)


def bad_columns(faults: Iterable[str]) -> Fault:
    """Return the fault of rows or columns; the first few are named, and no more are looked for."""
    found = list(islice(faults, _SHOWN + 1))
    return Fault(400, "BAD_COLUMNS", "; ".join(found[:_SHOWN]) + ("; and more" if len(found) > _SHOWN else ""))


def shown(name: object, position: int) -> str:
    """Return a column's name, or its place where what stands there may be somebody's data."""
    plain = isinstance(name, str) and _SHOWABLE.fullmatch(name) and not _DIGITS.search(name)
    return str(name) if plain else f"<column {position + 1}>"
