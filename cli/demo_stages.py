"""What the demo shows while it works: bars where a person looks, elsewhere one plain line for each stage."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from rich.progress import Progress


class Stages:
    """Shows stages on standard error.

    Args:
        progress: draws the bars; where it is disabled a stage is a line with its seconds, written when it is done.
        clock: seconds of a clock that never goes back.
    """

    def __init__(self, progress: "Progress", clock: Callable[[], float] = time.monotonic) -> None:
        self._progress = progress
        self._clock = clock

    @contextmanager
    def stage(self, title: str, parts: int = 1) -> Iterator[Callable[[], None]]:
        """Show a stage while the body runs, which may call what it is given after each of its parts."""
        task = self._progress.add_task(title, total=parts)
        started = self._clock()
        yield lambda: self._progress.advance(task)
        self._progress.update(task, completed=parts)
        if self._progress.disable:
            typer.echo(f"{self._clock() - started:6.1f} s  {title}", err=True)


@contextmanager
def shown_stages() -> Iterator[Stages]:
    """Yield stages on standard error, with bars on a terminal."""
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
        yield Stages(progress)
