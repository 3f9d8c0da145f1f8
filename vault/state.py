"""The files of the embedded server: one folder that only its owner may enter."""

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from churn.errors import KeyUnavailable


@dataclass(frozen=True)
class ServerRecord:
    """What is remembered of a running server.

    Attributes:
        pid: its process.
        started: the start mark of that process, see `churn.process.start_mark`.
        url: where it listens.
        nonce: what it puts into every answer.
        checked_at: Unix time of the last complete set-up, 0 when it was never completed.
    """

    pid: int
    started: str
    url: str
    nonce: str
    checked_at: float = 0.0


@dataclass(frozen=True)
class VaultState:
    """Paths below the state folder, and how they are written: owner only, whole or not at all."""

    folder: Path

    @property
    def data(self) -> Path:
        """Raft storage; sealed without the unseal key."""
        return self.folder / "data"

    @property
    def config(self) -> Path:
        """Configuration the server is started with."""
        return self.folder / "config.json"

    @property
    def log(self) -> Path:
        """Output of the server."""
        return self.folder / "server.log"

    @property
    def audit(self) -> Path:
        """Who asked for what; secrets appear as HMACs only."""
        return self.folder / "audit.log"

    def rolled_audits(self) -> list[Path]:
        """Return the audit logs before it, oldest first."""
        return sorted(self.folder.glob("audit-*.log"), key=lambda path: path.stem)

    @property
    def pid_file(self) -> Path:
        """Written by the server itself."""
        return self.folder / "bao.pid"

    @property
    def keys(self) -> Path:
        """Unseal key and root token. Without this file the data key, and so the subject map, is lost."""
        return self.folder / "keys.json"

    @property
    def initialising(self) -> Path:
        """Exists from before the store is initialised until `keys` is on disk."""
        return self.folder / "initialising"

    @property
    def ingest_token(self) -> Path:
        """Token of the policy `churn-ingest`."""
        return self.folder / "ingest-token"

    @property
    def _record(self) -> Path:
        return self.folder / "server.json"

    def prepare(self) -> None:
        """Create the folder, or take the rights of others away from it."""
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.folder.chmod(0o700)
            self.data.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise KeyUnavailable(
                f"{self.folder}: the embedded vault cannot keep its state there ({error.strerror}); "
                "make the folder writable for you, or set VAULT_ADDR"
            ) from None

    def write(self, path: Path, content: str) -> None:
        """Write a file that is readable for its owner only, on disk before the old one is gone."""
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def remember(self, record: ServerRecord) -> None:
        """Store which process serves this state."""
        self.write(self._record, json.dumps(vars(record)))

    def recall(self) -> ServerRecord | None:
        """Return what was remembered, whether it still runs or not."""
        try:
            return ServerRecord(**json.loads(self._record.read_text(encoding="utf-8")))
        except (FileNotFoundError, ValueError, TypeError):
            return None

    def forget(self) -> None:
        """Drop the record of a process that ended."""
        self._record.unlink(missing_ok=True)

    @contextmanager
    def locked(self, *, patience: float = 120.0) -> Iterator[None]:
        """Hold the folder's lock; the kernel frees it when the process dies.

        Raises:
            KeyUnavailable: another process holds it for longer than `patience` seconds.
        """
        with (self.folder / "lock").open("a", encoding="utf-8") as lock:
            deadline = time.monotonic() + patience
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        raise KeyUnavailable(
                            f"{self.folder}: another process has been starting the embedded vault for "
                            f"{patience:.0f} s; end it and try again"
                        ) from None
                    time.sleep(0.05)
            yield
