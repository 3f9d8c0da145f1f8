"""One demo at a time in a folder: two would upload, train and roll out across each other."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from churn.errors import ChurnError


class DemoAtWork(ChurnError):
    """Another process has the demo's folder for itself."""


class NotCleaned(ChurnError):
    """Something of the demo could not be removed."""


@contextmanager
def alone(root: Path) -> Iterator[Path]:
    """Keep other demos of this root out, and yield the lock; the kernel frees it when the process dies.

    Raises:
        DemoAtWork: one is here already.
    """
    place = root / ".churn" / "demo.lock"
    while (lock := _locked(place)) is None:
        pass
    with lock:
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield place


def _locked(place: Path) -> TextIO | None:
    """Return the lock, or None where it was removed on the way to it."""
    with suppress(FileExistsError):
        place.parent.mkdir()
    try:
        lock = place.open("a+", encoding="utf-8")
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(lock.fileno()), place.stat()):
            return lock
    except FileNotFoundError:
        pass
    except BlockingIOError:
        lock.seek(0)
        process = lock.read() or "not known yet"
        lock.close()
        raise DemoAtWork(
            f"{place.parent}: a demo is at work here (process {process}); let it end, or stop it with Ctrl-C where it "
            "was started, and try again"
        ) from None
    lock.close()
    return None


def clean(root: Path) -> None:
    """Stop what the demo started and remove what it made, unless one is at work.

    Raises:
        DemoAtWork: one is.
        NotCleaned: something else is, and writes on.
    """
    from cli.serve import stop
    from vault.datakey import EMBEDDED_STATE
    from vault.server import stop_server

    with alone(root) as lock:
        made = lock.parent
        if any(made.glob("*/serving/deployments/*")):
            stop()
        stop_server(root / EMBEDDED_STATE)
        try:
            for path in (root / ".zen", *(path for path in made.iterdir() if path != lock)):
                if path.exists():
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
        except OSError as error:
            raise NotCleaned(
                f"{made}: not all of it could be removed ({error.strerror}); end what still works there, such as "
                "churn ingest --every, and try again"
            ) from None
        lock.unlink()
        with suppress(OSError):  # a demo that has just begun is in it
            made.rmdir()
