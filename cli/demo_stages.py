"""What the demo shows while it works: bars where a person looks, elsewhere one plain line for each stage."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class Stages:
    """Shows stages on standard error.

    Args:
        progress: draws the bars; where it is disabled a stage is a line with its seconds, written when it is done.
        clock: seconds of a clock that never goes back.
    """

    def __init__(self, progress: "Progress", clock: Callable[[], float] = time.monotonic) -> None:
        self._progress = progress
        self._clock = clock
        self._interrupted = False

    def interrupt(self, number: int, frame: FrameType | None) -> None:
        """Stop at once, or, where a library swallows that, after the part at hand."""
        self._interrupted = True
        signal.default_int_handler(number, frame)

    @contextmanager
    def stage(self, title: str, parts: int = 1) -> Iterator[Callable[[], None]]:
        """Show a stage while the body runs, which may call what it is given after each of its parts."""
        task = self._progress.add_task(title, total=parts)
        started = self._clock()
        yield lambda: self._advance(task)
        self._stop_if_interrupted()
        self._progress.update(task, completed=parts)
        if self._progress.disable:
            typer.echo(f"{self._clock() - started:6.1f} s  {title}", err=True)

    def _advance(self, task: "TaskID") -> None:
        self._stop_if_interrupted()
        self._progress.advance(task)

    def _stop_if_interrupted(self) -> None:
        if self._interrupted:
            raise KeyboardInterrupt


@contextmanager
def shown_stages() -> Iterator[Stages]:
    """Yield stages on standard error, with bars on a terminal; they see to it that Ctrl-C is obeyed."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(20),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        stages = Stages(progress)
        before = signal.signal(signal.SIGINT, stages.interrupt)
        try:
            yield stages
        finally:
            signal.signal(signal.SIGINT, before)
