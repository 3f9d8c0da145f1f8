"""JSON whose column names were read before: callers repeat them with every request, where they are half of the work."""

import re
import secrets
from typing import Any, Final

import orjson

_NAMES: Final = re.compile(rb'\s*\{\s*"data"\s*:\s*\{\s*"names"\s*:\s*\[[^][{}\\]*\]')
"""A message's begin up to the end of its names, if they hold nothing odd."""
_MARK: Final = secrets.token_hex()
"""Stands for names that are known; no caller can know it."""
_SHORT: Final = b'{"data":{"names":"%b"' % _MARK.encode()
_LARGE: Final = 16_384
"""Bytes of a text whose names are little of it."""
_CALLERS: Final = 8
"""Different begins that are remembered; callers have few."""


class Messages:
    """Parses messages; one that begins with the same bytes as one before, names included, is parsed from there."""

    def __init__(self) -> None:
        """Know no names yet."""
        self._known: dict[bytes, tuple[Any, ...]] = {}

    def loads(self, text: bytes) -> Any:  # noqa: ANN401 - whatever JSON holds
        """Return what a text means; names that were there before are the same tuple.

        Raises:
            orjson.JSONDecodeError: it is no JSON.
        """
        if len(text) > _LARGE:
            return orjson.loads(text)
        for begin, names in self._known.items():
            if text.startswith(begin):
                message = orjson.loads(_SHORT + text[len(begin) :])
                data = message["data"]
                if type(data) is dict and data.get("names") == _MARK:  # and was not named again, which then counts
                    data["names"] = names
                return message
        message = orjson.loads(text)
        if found := _NAMES.match(text):
            self._remember(found[0])
        return message

    def _remember(self, begin: bytes) -> None:
        try:
            names = tuple(orjson.loads(begin + b"}}")["data"]["names"])
        except orjson.JSONDecodeError:
            return  # the bracket stands within a name
        if len(self._known) >= _CALLERS:
            self._known.clear()
        self._known[begin] = names
