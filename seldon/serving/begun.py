"""Awaiting what is mostly there already: a timer for what it waits costs a fifth of what a small request does."""

from collections.abc import Awaitable, Coroutine, Generator
from typing import Any


def begun(waiting: Coroutine[Any, Any, Any]) -> tuple[Any, Awaitable[Any] | None]:
    """Take the first step of a coroutine: return its result if that was all of it, or else its rest, to be awaited."""
    try:
        first = waiting.send(None)
    except StopIteration as done:
        return done.value, None
    return None, _Rest(waiting, first)


class _Rest(Awaitable[Any]):
    """A coroutine that was begun by hand, and what it waits for."""

    def __init__(self, waiting: Coroutine[Any, Any, Any], first: object) -> None:
        self._waiting, self._first = waiting, first

    def __await__(self) -> Generator[Any, Any, Any]:
        try:
            yield self._first
        except BaseException as error:
            self._waiting.throw(error)
            raise
        return (yield from self._waiting.__await__())
