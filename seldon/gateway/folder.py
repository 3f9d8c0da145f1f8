"""The folder of one deployment: its files, how they are written, and the lock that keeps a second supervisor out."""

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from pydantic import ValidationError

from churn import process
from churn.errors import ChurnError
from seldon.gateway.settings import GatewaySettings
from seldon.gateway.state import Desired, LocalObserved

_LAST_THREAD_SECONDS: Final = 5.0
"""A killed process ends within milliseconds; more is for a machine that has no time."""


class FolderDamaged(ChurnError):
    """A file of the deployment's folder does not hold what it should."""


class SupervisorRuns(ChurnError):
    """Another supervisor keeps this folder already."""


@dataclass(frozen=True)
class DeploymentFolder:
    """Paths below one deployment's folder; every file is written whole or not at all."""

    path: Path

    @property
    def desired_file(self) -> Path:
        """What should be, written by who deploys."""
        return self.path / "desired.json"

    @property
    def observed_file(self) -> Path:
        """What is, written by the supervisor."""
        return self.path / "observed.json"

    @property
    def settings_file(self) -> Path:
        """What the supervisor is started with."""
        return self.path / "gateway.json"

    @property
    def supervisor_file(self) -> Path:
        """The process that holds the lock."""
        return self.path / "supervisor.json"

    @property
    def bootstrap(self) -> Path:
        """What Envoy is started with."""
        return self.path / "envoy" / "envoy.json"

    @property
    def clusters(self) -> Path:
        """The servers Envoy knows."""
        return self.path / "envoy" / "cds.json"

    @property
    def routes(self) -> Path:
        """Which of them gets which request."""
        return self.path / "envoy" / "rds.json"

    @property
    def access_log(self) -> Path:
        """A line for each request; rolled files lie beside it."""
        return self.path / "access" / "access.jsonl"

    @property
    def runs(self) -> Path:
        """Which processes belong to the deployment, so that the next supervisor finds them."""
        return self.path / "run"

    @property
    def logs(self) -> Path:
        """What the processes print."""
        return self.path / "logs"

    def prepare(self) -> None:
        """Make the folders; they hold customers' tokens and are the owner's only."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        for folder in (self.bootstrap.parent, self.access_log.parent, self.runs, self.logs):
            folder.mkdir(mode=0o700, exist_ok=True)

    def write(self, path: Path, content: str) -> None:
        """Put `content` on disk in one step, readable for the owner."""
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)

    def desired(self) -> Desired | None:
        """Return what should be, None before the first deployment.

        Raises:
            FolderDamaged: the file was written by something else.
        """
        try:
            return Desired.model_validate_json(self.desired_file.read_bytes())
        except FileNotFoundError:
            return None
        except ValidationError as error:
            raise self._damaged(self.desired_file, error) from None

    def observed(self) -> LocalObserved | None:
        """Return what the supervisor saw last, None before its first look.

        Raises:
            FolderDamaged: the file was written by something else.
        """
        try:
            return LocalObserved.model_validate_json(self.observed_file.read_bytes())
        except FileNotFoundError:
            return None
        except ValidationError as error:
            raise self._damaged(self.observed_file, error) from None

    def settings(self) -> GatewaySettings:
        """Return what the supervisor is to be started with.

        Raises:
            FolderDamaged: the file is missing or was written by something else.
        """
        try:
            return GatewaySettings.model_validate_json(self.settings_file.read_bytes())
        except FileNotFoundError:
            raise FolderDamaged(f"{self.settings_file}: missing; deploy again, that writes it") from None
        except ValidationError as error:
            raise self._damaged(self.settings_file, error) from None

    def supervisor_pid(self) -> int | None:
        """Return the supervisor's process; None when none runs."""
        try:
            record = json.loads(self.supervisor_file.read_bytes())
            pid = int(record["pid"])
        except (FileNotFoundError, ValueError, LookupError, TypeError):
            return None
        return pid if process.start_mark(pid) == record["started"] else None

    @contextmanager
    def supervised(self) -> Iterator[None]:
        """Be the folder's one supervisor; the kernel ends that with the process.

        A process that was killed may hold its lock until the last of its threads has ended; that is waited for.

        Raises:
            SupervisorRuns: there is one already.
        """
        with (self.path / "supervisor.lock").open("a", encoding="utf-8") as lock:
            deadline = time.monotonic() + _LAST_THREAD_SECONDS
            while not _locked(lock):
                if (pid := self.supervisor_pid()) is not None or time.monotonic() > deadline:
                    raise SupervisorRuns(
                        f"{self.path}: process {pid or 'unknown'} supervises this deployment already; stop that first"
                    )
                time.sleep(0.02)
            record = {"pid": os.getpid(), "started": process.start_mark(os.getpid())}
            self.write(self.supervisor_file, json.dumps(record))
            yield
            self.supervisor_file.unlink(missing_ok=True)

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Be the one who writes `desired.json`; others wait, a write takes milliseconds."""
        with (self.path / "desired.lock").open("a", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _damaged(self, path: Path, error: ValidationError) -> FolderDamaged:
        fault = error.errors()[0]
        where = ".".join(map(str, fault["loc"])) or "the file"
        return FolderDamaged(f"{path}: {where}: {fault['msg']}; move the file away and deploy again")


def _locked(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
