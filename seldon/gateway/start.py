"""Starting and ending a deployment's supervisor from another process, which it outlives."""

import asyncio
import fcntl
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from churn import process
from churn.errors import ChurnError
from seldon.gateway import child as children
from seldon.gateway.envoy import executable
from seldon.gateway.folder import DeploymentFolder
from seldon.gateway.settings import GatewaySettings

_CHECKOUT = Path(__file__).parents[2]
_LOG = "supervisor.log"
_PATIENCE = 30.0


class SupervisorFailed(ChurnError):
    """The supervisor does not start."""


def start_supervisor(folder: DeploymentFolder, settings: GatewaySettings) -> int:
    """Return the process that supervises a deployment, starting it detached where there is none.

    Settings count only when it is started here; stop the deployment first to change them.

    Raises:
        EnvoyMissing: there is no gateway to run.
        SupervisorFailed: it ended at once; the message names the log file.
    """
    executable()
    folder.prepare()
    with _starting(folder):
        if (pid := folder.supervisor_pid()) is not None:
            return pid
        folder.write(folder.settings_file, settings.model_dump_json(indent=1))
        log = folder.logs / _LOG
        pid = process.launch(
            [sys.executable, "-m", "seldon.gateway", str(folder.path)],
            folder=folder.path,
            log=log,
            environ=os.environ | {"PYTHONPATH": str(_CHECKOUT)},
        )
        mark = process.start_mark(pid)
        deadline = time.monotonic() + _PATIENCE
        while mark is not None and process.start_mark(pid) == mark and time.monotonic() < deadline:
            if folder.supervisor_pid() == pid:
                return pid
            time.sleep(0.02)
    raise SupervisorFailed(f"{folder.path}: the supervisor does not start ({_last_line(log)}); see {log}")


def stop_supervisor(folder: DeploymentFolder, *, patience: float = 60.0) -> bool:
    """End a deployment: the supervisor, Envoy, the servers; also what a supervisor that was killed left behind.

    Returns:
        Whether anything ran.
    """
    if not folder.path.is_dir():
        return False
    with _starting(folder):
        pid = folder.supervisor_pid()
        mark = process.start_mark(pid) if pid is not None else None
        ran = pid is not None and mark is not None and process.stop(pid, mark, patience=patience)
        with folder.supervised():
            left = [(run.name, found) for run, found in children.find(folder)]
            for name, found in left:
                if found is not None:
                    asyncio.run(found.stop(patience))
                children.forget(folder, name)
        folder.observed_file.unlink(missing_ok=True)
    return ran or any(found for _, found in left)


@contextmanager
def _starting(folder: DeploymentFolder) -> Iterator[None]:
    """Let nobody else start or end the supervisor meanwhile."""
    with (folder.path / "start.lock").open("a", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.exists() else []
    return lines[-1][:300] if lines else "it printed nothing"
