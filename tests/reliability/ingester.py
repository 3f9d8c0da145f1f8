"""A real ingester process that can be killed: at any time from outside, or by itself at the k-th boundary."""

import functools
import json
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

from deltalake import DeltaTable
from fsspec.implementations.local import LocalFileSystem

from churn.ingestion import journal, quarantine
from churn.lake.files import StagedFiles
from churn.lake.table import Pinned
from churn.landing.storage import LocalStorage
from churn.landing.zone import LandingZone
from churn.log import configure_logging
from churn.privacy.subjects import SubjectMap
from tests.world import START, World, world_in

KILLED = -signal.SIGKILL
SECONDS = 120.0
"""Longest a child may take; a healthy one needs a few seconds even on a busy machine."""

BOUNDARIES: tuple[tuple[Any, str], ...] = (
    (LandingZone, "objects"),
    (LocalStorage, "read"),
    (SubjectMap, "tokenise"),
    (quarantine, "add"),
    (Pinned, "append"),
    (journal, "catch_up"),
    (StagedFiles, "write"),
    (LocalFileSystem, "pipe_file"),
    (DeltaTable, "create"),
    (DeltaTable, "create_write_transaction"),
)
"""What stands between reading and acknowledging; a process can die before and after each call of these."""


@dataclass
class _Countdown:
    """Counts the boundaries passed and kills the process at the chosen one."""

    crash_at: int | None
    passed: list[str]

    def reach(self, name: str, last_act: Callable[[], object] = lambda: None) -> None:
        if len(self.passed) == self.crash_at:
            last_act()
            os.kill(os.getpid(), signal.SIGKILL)
        self.passed.append(name)


def _arm(countdown: _Countdown) -> None:
    def watched(name: str, call: Callable[..., object]) -> Callable[..., object]:
        @functools.wraps(call)
        def around(*args: Any, **kwargs: Any) -> object:
            countdown.reach(f"before {name}")
            if name == "pipe_file":
                _, path, data = args
                countdown.reach("in the middle of pipe_file", lambda: Path(path).write_bytes(data[: len(data) // 2]))
            result = call(*args, **kwargs)
            countdown.reach(f"after {name}")
            return result

        return around

    for owner, name in BOUNDARIES:
        around = watched(name, getattr(owner, name))
        setattr(owner, name, staticmethod(around) if owner is DeltaTable and name == "create" else around)


def ingest(root: str, hours: int, batch_objects: int, crash_at: int | None, barrier: Barrier | None = None) -> None:
    """Run one ingestion in this process and write down which boundaries it passed."""
    with open(f"{root}/log", "a") as log:
        os.dup2(log.fileno(), sys.stderr.fileno())
    configure_logging(json=True)
    countdown = _Countdown(crash_at, [])
    if crash_at is not None:
        _arm(countdown)
    world = world_in(Path(root), batch_objects=batch_objects)
    if barrier is not None:
        barrier.wait()
    world.ingest(START.replace(hour=START.hour + hours))
    Path(f"{root}/passed.json").write_text(json.dumps(countdown.passed))


class Ingesters:
    """Starts ingester processes; a fork server that has imported everything makes one cost milliseconds."""

    def __init__(self) -> None:
        self.context = multiprocessing.get_context("forkserver")
        self.context.set_forkserver_preload([__name__])

    def start(
        self,
        world: World,
        hours: int,
        *,
        crash_at: int | None = None,
        barrier: Barrier | None = None,
    ) -> ForkServerProcess:
        batch_objects = world.settings.ingestion.batch_objects
        child = self.context.Process(target=ingest, args=(str(world.root), hours, batch_objects, crash_at, barrier))
        child.start()
        return child

    def finish(self, child: ForkServerProcess) -> int:
        """Wait for a child and return its exit code; one that hangs is killed and reported."""
        child.join(SECONDS)
        if child.exitcode is None:
            child.kill()
            child.join()
            raise AssertionError("the ingester did not end; what a crash left behind blocks it")
        return child.exitcode

    def crash_after(self, world: World, hours: int, seconds: float) -> bool:
        """Start an ingester, kill it after this time and tell whether it was still at work."""
        child = self.start(world, hours)
        time.sleep(seconds)
        with suppress(ProcessLookupError):
            child.kill()
        code = self.finish(child)
        assert code in (0, KILLED), (world.root / "log").read_text()[-2000:]
        return code == KILLED
