"""Structured logs on standard error, one line per fact, scrubbed; and progress bars for a person who watches."""

import logging
import sys
import threading
import traceback
from collections.abc import Callable, Collection, Iterable, Iterator, MutableMapping, Sized
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, TypeVar, cast, overload

import structlog
from structlog.typing import FilteringBoundLogger

from churn.scrub import scrub, scrub_mapping

Item = TypeVar("Item")
Level = Literal["debug", "info", "warning", "error", "critical"]


def configure_logging(
    *, json: bool | None = None, level: Level = "info", file: Path | None = None, unshown: Collection[str] = ()
) -> None:
    """Send every log line, also those of libraries, through the scrubber to standard error.

    Args:
        json: JSON lines or lines for people; by default people get theirs when standard error is a terminal.
        level: the least severe line that is written.
        file: gets every line from `info` on as JSON as well, whatever `level` says.
        unshown: events for the file alone.
    """
    as_json = not sys.stderr.isatty() if json is None else json
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if as_json
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _scrub_event,
            *([] if file is None else [_CopyTo(file, level, unshown)]),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level if file is None else "info"),
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
    )
    if not isinstance(logging.getLogRecordFactory(), _ScrubbedRecords):
        logging.setLogRecordFactory(_ScrubbedRecords(logging.getLogRecordFactory()))


def get_logger(name: str) -> FilteringBoundLogger:
    """Return the logger of a module; nothing is ever written unscrubbed, configured or not."""
    if not structlog.is_configured():
        configure_logging()
    return cast(FilteringBoundLogger, structlog.get_logger(logger_name=name))


def _scrub_event(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return scrub_mapping(event)


class _CopyTo:
    """Appends each line to a file, and lets only the severe ones pass on; a file that fails stops no work."""

    def __init__(self, file: Path, level: Level, unshown: Collection[str]) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self._file = file
        self._level = logging.getLevelName(level.upper())
        self._unshown = frozenset(unshown)
        self._render = structlog.processors.JSONRenderer()

    def __call__(self, logger: object, name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        with suppress(OSError), self._file.open("a", encoding="utf-8") as lines:
            lines.write(f"{self._render(logger, name, dict(event))!s}\n")
        if logging.getLevelName(event["level"].upper()) < self._level or event["event"] in self._unshown:
            raise structlog.DropEvent
        return event


class _ScrubbedRecords:
    """Makes the standard library's log records with message and traceback already scrubbed."""

    def __init__(self, make: Callable[..., logging.LogRecord]) -> None:
        self._make = make

    def __call__(self, *args: object, **kwargs: object) -> logging.LogRecord:
        record = self._make(*args, **kwargs)
        try:
            message = record.getMessage()
        except (TypeError, ValueError):  # a call whose arguments do not fit its message
            message = f"{record.msg} {record.args}"
        # A clean record keeps its arguments: some formatters, such as uvicorn's, read them.
        if (clean := scrub(message)) != message:
            record.msg, record.args = clean, ()
        if record.exc_info and record.exc_info[0]:
            record.exc_text = scrub("".join(traceback.format_exception(*record.exc_info)).rstrip("\n"))
        return record


@overload
def progress(items: int, label: str, *, after: float = 2.0) -> Iterator[int]: ...
@overload
def progress(items: Iterable[Item], label: str, *, after: float = 2.0) -> Iterator[Item]: ...
def progress(items: Any, label: str, *, after: float = 2.0) -> Iterator[Any]:
    """Iterate over `items`, or count up to a number, and show how far it is when a person waits for it.

    Args:
        items: what to go through, or how many rounds.
        label: what is being done, in the person's words.
        after: seconds before the bar appears; it never does unless standard error is a terminal.
    """
    rounds = range(items) if isinstance(items, int) else items
    if not sys.stderr.isatty():
        yield from rounds
        return
    from rich.console import Console
    from rich.progress import Progress

    bar = Progress(console=Console(stderr=True), transient=True)
    task = bar.add_task(scrub(label), total=len(rounds) if isinstance(rounds, Sized) else None)
    appearance = threading.Timer(after, bar.start)
    appearance.daemon = True
    appearance.start()
    try:
        for item in rounds:
            yield item
            bar.advance(task)
    finally:
        appearance.cancel()
        appearance.join()
        bar.stop()
