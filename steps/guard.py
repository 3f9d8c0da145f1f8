"""What every step does about failure: alert, and keep raw values out of ZenML's record of it."""

import os
import sqlite3
import sysconfig
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from churn.errors import ChurnError
from churn.ingestion.alert import FailureKind
from churn.ingestion.alerts import failure_alert
from stacks.alerts import send_alerts

_SAID_BY_SQLITE = (
    "database is locked",
    "database or disk is full",
    "attempt to write a readonly database",
    "unable to open database file",
    "disk I/O error",
)


class StepFailed(ChurnError):
    """An error nobody foresaw; what it said may quote data, so only its type and place are kept."""


@contextmanager
def failing_closed(source: str, kind: FailureKind = "ingestion_failed") -> Iterator[None]:
    """Send an alert when the body fails, and let out only errors that are safe to store.

    ZenML keeps the text of an exception and of what caused it. A ChurnError never quotes data; any other is replaced.

    Args:
        source: the run and the step.
        kind: what the alert says has failed.

    Raises:
        ChurnError: as raised in the body, without its cause.
        StepFailed: the body raised anything else.
    """
    try:
        yield
        return
    except ChurnError as error:
        failure = error
    except Exception as error:
        failure = StepFailed(f"{_kind(error)} at {_place(error)}; what it said may quote data and is not kept")
    send_alerts([failure_alert(failure, kind)], source=source)
    failure.__cause__ = failure.__context__ = None
    raise failure


def _kind(error: Exception) -> str:
    """Name the error, and the system's reason where there is one: `No space left on device` quotes nothing."""
    reason = next((reason for cause in _causes(error) if (reason := _reason(cause))), None)
    return f"{type(error).__name__} ({reason})" if reason else type(error).__name__


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _reason(error: BaseException) -> str | None:
    if isinstance(error, OSError) and error.errno is not None:
        return os.strerror(error.errno)
    if isinstance(error, sqlite3.OperationalError) and str(error) in _SAID_BY_SQLITE:
        return str(error)
    return None


def _place(error: Exception) -> str:
    """Name the innermost line of our own code the error passed through."""
    frames = traceback.extract_tb(error.__traceback__)
    frame = ([frame for frame in frames if _is_ours(frame.filename)] or frames)[-1]
    return f"{Path(frame.filename).parent.name}/{Path(frame.filename).name}:{frame.lineno}"


def _is_ours(file: str) -> bool:
    foreign = "site-packages" in file or file.startswith(("<", sysconfig.get_path("stdlib")))
    return not foreign and file != __file__
