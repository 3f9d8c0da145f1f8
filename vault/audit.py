"""The embedded server's audit log: begun anew once it is long, and kept for as many files as the settings say."""

import os
import signal
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from churn.errors import KeyUnavailable
from churn.settings import UpkeepSettings
from vault.server import running, server_status
from vault.state import VaultState

_PATIENCE: Final = 10.0


def roll_audit(state_dir: Path, settings: UpkeepSettings, now: datetime) -> bool:
    """Set a long audit log aside and let the server begin another; returns whether that was done.

    No line is lost: the server writes on into the file that was set aside until it opens the new one, and the oldest
    file goes only then. A roll that was cut short in between is ended by the next one. A server that is sealed or does
    not answer is left alone.

    Raises:
        KeyUnavailable: the server does not open a new file, or its folder stays locked.
    """
    state = VaultState(state_dir.resolve())
    if not state.data.is_dir():
        return False
    with state.locked():
        if server_status(state.folder).status not in {"running", "stopped"}:
            return False
        long = state.audit.exists() and state.audit.stat().st_size >= settings.audit_bytes
        if long:
            state.audit.rename(_aside(state, now))
        _reopen(state)
        for old in state.rolled_audits()[: -settings.audit_files]:
            old.unlink()
    return long


def _aside(state: VaultState, now: datetime) -> Path:
    """Return a name that sorts behind those there are, also when the clock was set back."""
    newest = max((path.stem for path in state.rolled_audits()), default="")
    name = f"audit-{now.astimezone(UTC):%Y%m%dT%H%M%S%f}Z"
    return state.folder / f"{name if name > newest else f'{newest}_'}.log"


def _reopen(state: VaultState) -> None:
    """Have a server that runs write to the audit log by its name; one that starts makes it."""
    server = running(state)
    if state.audit.exists() or server is None:
        return
    os.kill(server.pid, signal.SIGHUP)
    deadline = time.monotonic() + _PATIENCE
    while not state.audit.exists():
        if time.monotonic() > deadline:
            raise KeyUnavailable(
                f"{state.audit}: the embedded vault does not begin a new audit log and writes on into the one before; "
                "churn vault stop, then churn vault start"
            )
        time.sleep(0.02)
