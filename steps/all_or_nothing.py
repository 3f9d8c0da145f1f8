"""Changes in several systems that must all stand or all be taken back."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from churn.errors import ChurnError
from churn.log import get_logger
from steps.held_back import held_back

log = get_logger(__name__)

Undo = Callable[[str, Callable[[], object]], None]
"""Remembers what is about to stand, in a person's words, and how it is taken back."""


class HalfDone(ChurnError):
    """A change failed, and part of what came before it could not be taken back."""


@contextmanager
def all_or_nothing() -> Iterator[Undo]:
    """Take everything back, newest first, when the body fails; one thing that cannot be does not keep the others.

    Raises:
        HalfDone: names what still stands.
    """
    done: list[tuple[str, Callable[[], object]]] = []
    try:
        yield lambda what, undo: done.append((what, undo))
    except BaseException as error:
        with held_back():
            left = [what for what, undo in reversed(done) if not _succeeds(undo)]
        if left:
            log.error("not_taken_back", left=left)
        if left and isinstance(error, Exception):
            cause = str(error) if isinstance(error, ChurnError) else type(error).__name__
            raise HalfDone(f"{cause}; and what could not be taken back, delete by hand: {', '.join(left)}") from None
        raise


def _succeeds(undo: Callable[[], object]) -> bool:
    try:
        undo()
    except Exception:
        return False
    return True
