"""Who watches rollouts of this process, such as a terminal."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from churn.log import get_logger
from seldon.rollout.outcome import Progress

log = get_logger(__name__)

Watcher = Callable[[Progress], None]


class Watchers:
    """Passes on what goes on; a watcher that fails is no reason to stop a rollout."""

    def __init__(self) -> None:
        """Start with nobody."""
        self._all: list[Watcher] = []

    @contextmanager
    def watching(self, watcher: Watcher) -> Iterator[None]:
        """Let one more see it while the body runs."""
        self._all.append(watcher)
        try:
            yield
        finally:
            self._all.remove(watcher)

    def tell(self, progress: Progress) -> None:
        """Pass it on."""
        log.info("rollout", stage=progress.stage, weight=progress.weight, says=progress.says)
        for watcher in tuple(self._all):
            try:
                watcher(progress)
            except Exception as error:
                log.warning("watcher_failed", error=type(error).__name__)


watchers = Watchers()
