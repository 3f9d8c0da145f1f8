"""Detached processes told apart by more than their pid, so that a reused pid is never taken for ours."""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

_PROC = Path("/proc")
_LAUNCH = 'umask 077; log=$1; shift; "$@" >>"$log" 2>&1 </dev/null & echo $!'


def launch(command: Sequence[str], *, folder: Path, log: Path, environ: Mapping[str, str]) -> int:
    """Start `command` in `folder`, in a session of its own, owner-only umask, output appended to `log`; return its pid.

    A shell in between exits at once: the process outlives us, leaves us no zombie, and Ctrl-C here does not reach it.
    """
    shell = subprocess.run(
        ["/bin/sh", "-c", _LAUNCH, "sh", str(log), *command],
        stdout=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        cwd=folder,
        env=dict(environ),
        start_new_session=True,
        check=True,
    )
    return int(shell.stdout)


def start_mark(pid: int) -> str | None:
    """Return what distinguishes this process from a later one with its pid; None when it does not run.

    Linux: boot id and start tick (immune to changes of the clock). Elsewhere: the start time `ps` tells.
    """
    if not (_PROC / "self" / "stat").exists():
        return _ps(pid, "lstart") or None
    try:
        fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    if fields[0] in "ZX":
        return None
    return f"{(_PROC / 'sys/kernel/random/boot_id').read_text().strip()}:{fields[19]}"


def command_line(pid: int) -> str:
    """Return the command line of a process, empty when it does not run."""
    if not (_PROC / "self" / "stat").exists():
        return _ps(pid, "command")
    try:
        return (_PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def stop(pid: int, mark: str, *, patience: float = 10.0) -> bool:
    """End the process if it is still the one with this mark: SIGTERM, `patience` seconds, SIGKILL.

    Returns:
        Whether there was such a process.
    """
    if start_mark(pid) != mark:
        return False
    for number, wait in ((signal.SIGTERM, patience), (signal.SIGKILL, 10.0)):
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return True
        deadline = time.monotonic() + wait
        while time.monotonic() < deadline:
            if start_mark(pid) != mark:
                return True
            time.sleep(0.02)
    return True


def _ps(pid: int, field: str) -> str:
    answer = subprocess.run(["ps", "-o", f"{field}=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return answer.stdout.strip()
