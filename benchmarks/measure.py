"""What a command costs when it runs in a process of its own."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Cost:
    """CPU seconds (user and system, all threads and waited-for children), wall seconds, peak resident MiB."""

    cpu: float
    wall: float
    peak: float
    printed: Mapping[str, Any]
    """The JSON object on the last line of standard output."""


def measured(arguments: Sequence[str], *, environment: Mapping[str, str] | None = None, cwd: Path = ROOT) -> Cost:
    """Run `python ARGUMENTS` and weigh it; interpreter start and imports count.

    This process must stay small: on Linux a child's peak starts at its parent's size.

    Raises:
        RuntimeError: the command failed.
    """
    command = [sys.executable, *arguments]
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        started = time.perf_counter()
        child = subprocess.Popen(
            command, stdout=out, stderr=err, cwd=cwd, env={**inherited, "PYTHONPATH": str(ROOT), **(environment or {})}
        )
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - started
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            raise RuntimeError(f"{' '.join(command)}: exit code {child.returncode}\n{_tail(err)}")
        lines = _tail(out).strip().splitlines()
        printed = json.loads(lines[-1]) if lines and lines[-1].startswith("{") else {}
    return Cost(usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss / 1024, printed)


def bring_into_memory(folder: Path) -> None:
    """Read every file once: a program would find in the page cache what the one before it left there, or read disks."""
    room = bytearray(2**20)
    for path in folder.rglob("*.*"):
        if path.is_file():
            with path.open("rb", buffering=0) as file:
                while file.readinto(room):
                    pass


def in_turns(rounds: Mapping[str, int]) -> list[str]:
    """Return each name as often as told, one after another in every round, so that all meet the same machine."""
    return [name for turn in range(max(rounds.values())) for name, count in rounds.items() if turn < count]


def _tail(file: IO[bytes], size: int = 4000) -> str:
    length = file.seek(0, os.SEEK_END)
    file.seek(max(0, length - size))
    return file.read().decode(errors="replace")
