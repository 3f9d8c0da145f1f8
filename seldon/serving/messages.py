"""Messages whose column names came before: callers repeat them with every request, where they are half of the work.

What follows the names is parsed by types that are made for these columns, so that each value is checked as it is read.
Whatever does not fit them is left to `seldon_protocol`, which says why, or finds a meaning in it nevertheless.
"""

import re
import secrets
from collections.abc import Callable
from typing import Any, Final, Generic, NamedTuple, TypeVar

import orjson
from msgspec import DecodeError, Struct
from msgspec.json import Decoder

from seldon.serving.columns import Columns, Plan
from seldon.serving.faults import Fault
from seldon.serving.request import checked_id
from seldon.serving.seldon_protocol import Message

_NAMES: Final = re.compile(rb'\s*\{\s*"data"\s*:\s*\{\s*"names"\s*:\s*\[[^][{}\\]*\]')
"""A message's begin up to the end of its names, if they hold nothing odd."""
_MARK: Final = secrets.token_hex()
"""Stands for names that are known; no caller can know it."""
_SHORT: Final = b'{"data":{"names":"%b"' % _MARK.encode()
_LARGE: Final = 16_384
"""Bytes of a text whose names are little of it."""
_CALLERS: Final = 8
"""Different begins that are remembered; callers have few."""

_Row = TypeVar("_Row")


class _Meta(Struct, forbid_unknown_fields=True):
    puid: str | None = None


class _Data(Struct, Generic[_Row], forbid_unknown_fields=True):
    ndarray: list[_Row]
    names: str = ""


class _Typed(Struct, Generic[_Row], forbid_unknown_fields=True):
    data: _Data[_Row]
    meta: _Meta | None = None


class _Known(NamedTuple):
    """How to read what follows a begin; to make this takes longer than to read a message."""

    plan: Plan
    parse: Callable[[bytes], _Typed[tuple[Any, ...]]]


class Messages:
    """Reads messages that begin as others did before, names included."""

    def __init__(self, columns: Columns) -> None:
        """Know no names yet."""
        self._columns = columns
        self._known: dict[bytes, _Known | None] = {}

    def read(self, text: bytes) -> Message | None:
        """Return what a message asks; none if it has to be read in full.

        Raises:
            Fault: the id, or the number of rows, is not what it must be.
        """
        if len(text) > _LARGE:
            return None
        for begin, known in self._known.items():
            if text.startswith(begin):
                return self._rest(known, text[len(begin) :]) if known is not None else None
        return None

    def remember(self, text: bytes) -> None:
        """Take note of how a message begins that was read in full; from the second one on `read` knows it."""
        if len(text) > _LARGE or (found := _NAMES.match(text)) is None:
            return
        begin = found[0]
        if begin not in self._known:
            if len(self._known) >= _CALLERS:
                self._known.clear()
            self._known[begin] = None
        elif self._known[begin] is None:
            self._known[begin] = self._knowing(begin)

    def _knowing(self, begin: bytes) -> _Known | None:
        try:
            names = orjson.loads(begin + b"}}")["data"]["names"]
            plan = self._columns.plan(names)
        except (orjson.JSONDecodeError, Fault):
            return None  # the bracket stands within a name, or other names follow, which counted
        if not names:
            return None
        return _Known(plan, Decoder(_Typed[self._columns.row_type(plan)]).decode)  # type: ignore[misc]

    def _rest(self, known: _Known, rest: bytes) -> Message | None:
        try:
            message = known.parse(_SHORT + rest)
        except (DecodeError, UnicodeDecodeError):
            return None
        if message.data.names != _MARK:  # named again, which then counts
            return None
        puid = checked_id(message.meta.puid, "meta.puid") if message.meta is not None else None
        rows = self._columns.read_typed(known.plan, message.data.ndarray, "data.ndarray")
        return Message(rows, puid, tensor=False) if rows is not None else None
