"""Processes of a deployment: they outlive their supervisor, and the next one finds every one of them.

What is about to run is recorded before it starts, and the process writes its own id before it becomes the program:
there is no moment at which a process runs that nobody could find. A pid that was given to another process is told by
its command line.
"""

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from churn import process
from churn.frozen import Frozen
from seldon.gateway.folder import DeploymentFolder
from seldon.gateway.split import Slot

_SHELL = 'umask 077; ulimit -v "$2" || exit 1; echo $$ >"$1.new" && mv "$1.new" "$1"; shift 2; exec "$@"'
_LOOK_EVERY = 0.05


class Run(Frozen):
    """What a recorded process is."""

    name: str
    command: tuple[str, ...]
    slot: Slot | None = None
    restarts: int = 0


@dataclass
class Child:
    """A process that was started here or found."""

    pid: int
    mark: str
    since: datetime
    popen: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def ended(self) -> bool:
        """Tell whether it is over; a child of ours is reaped on the way."""
        if self.popen is not None:
            return self.popen.poll() is not None
        return process.start_mark(self.pid) != self.mark

    @property
    def exit_code(self) -> int | None:
        """How it ended; None for one that was not started here."""
        return self.popen.returncode if self.popen is not None else None

    def signal(self, number: int) -> None:
        """Send a signal, unless the process is over and its id may be another's."""
        if not self.ended():
            os.kill(self.pid, number)

    async def stop(self, patience: float) -> None:
        """End it: SIGTERM, `patience` seconds, SIGKILL."""
        for number, seconds in ((signal.SIGTERM, patience), (signal.SIGKILL, 10.0)):
            try:
                self.signal(number)
                self.signal(signal.SIGCONT)  # a stopped process would not see the first one
            except ProcessLookupError:
                return
            deadline = time.monotonic() + seconds
            while time.monotonic() < deadline:
                if self.ended():
                    return
                await asyncio.sleep(_LOOK_EVERY)


def start(folder: DeploymentFolder, run: Run, environ: Mapping[str, str], memory_mb: int | None) -> Child:
    """Start what `run` says in a session of its own, with its output appended to `logs/<name>.log`.

    Raises:
        OSError: the system refuses another process.
    """
    folder.write(_record(folder, run.name), run.model_dump_json())
    limit = "unlimited" if memory_mb is None else str(memory_mb * 1024)
    with log_file(folder, run.name).open("ab") as log:
        popen = subprocess.Popen(
            ["/bin/sh", "-c", _SHELL, "sh", str(_pid_file(folder, run.name)), limit, *run.command],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=folder.path,
            env=dict(environ),
            start_new_session=True,
        )
    mark = process.start_mark(popen.pid) or ""
    return Child(popen.pid, mark, datetime.now(UTC), popen)


def find(folder: DeploymentFolder) -> list[tuple[Run, Child | None]]:
    """Return every recorded process, with None for one that is over."""
    runs = [Run.model_validate_json(path.read_bytes()) for path in sorted(folder.runs.glob("*.json"))]
    return [(run, _alive(folder, run)) for run in runs]


def forget(folder: DeploymentFolder, name: str) -> None:
    """Drop the record of a process that is over and will not come back."""
    _pid_file(folder, name).unlink(missing_ok=True)
    _record(folder, name).unlink(missing_ok=True)


def log_file(folder: DeploymentFolder, name: str) -> Path:
    """Return where a process prints."""
    return folder.logs / f"{name}.log"


def _alive(folder: DeploymentFolder, run: Run) -> Child | None:
    try:
        file = _pid_file(folder, run.name)
        pid, since = int(file.read_text()), datetime.fromtimestamp(file.stat().st_mtime, UTC)
    except (FileNotFoundError, ValueError):
        return None
    mark = process.start_mark(pid)
    if mark is None or process.command_line(pid) != " ".join(run.command):
        return None
    return Child(pid, mark, since)


def _record(folder: DeploymentFolder, name: str) -> Path:
    return folder.runs / f"{name}.json"


def _pid_file(folder: DeploymentFolder, name: str) -> Path:
    return folder.runs / f"{name}.pid"
