"""Who watches rollouts of this process, such as a terminal."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from churn.log import get_logger
from seldon.rollout.outcome import Look

log = get_logger(__name__)

Watcher = Callable[[Look], None]


class Watchers:
    """Passes looks on; a watcher that fails is no reason to stop a rollout."""

    def __init__(self) -> None:
        """Start with nobody."""
        self._all: list[Watcher] = []

    @contextmanager
    def watching(self, watcher: Watcher) -> Iterator[None]:
        """Let one more see every look while the body runs."""
        self._all.append(watcher)
        try:
            yield
        finally:
            self._all.remove(watcher)

    def tell(self, look: Look) -> None:
        """Pass a look on."""
        log.info("rollout", stage=look.stage, weight=look.weight, says=look.says)
        for watcher in tuple(self._all):
            try:
                watcher(look)
            except Exception as error:
                log.warning("watcher_failed", error=type(error).__name__)


watchers = Watchers()
