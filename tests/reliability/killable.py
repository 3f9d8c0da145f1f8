"""Processes that can be killed: by themselves at the k-th boundary of their work, or at any time from outside."""

import functools
import multiprocessing
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerProcess
from typing import Any

KILLED = -signal.SIGKILL
SECONDS = 180.0
"""Longest a child may take; a healthy one needs a few seconds even on a busy machine."""

Boundaries = Sequence[tuple[Any, str]]
"""Owner and name of calls; a process can die before and after each call of these."""
Partly = Callable[..., Callable[[], object]]
"""From the arguments of a call to what leaves it half done."""


@dataclass
class Countdown:
    """Counts the boundaries passed and kills the process at the chosen one."""

    crash_at: int | None
    passed: list[str] = field(default_factory=list)

    def reach(self, name: str, last_act: Callable[[], object] = lambda: None) -> None:
        if len(self.passed) == self.crash_at:
            last_act()
            os.kill(os.getpid(), signal.SIGKILL)
        self.passed.append(name)

    def arm(self, boundaries: Boundaries, partly: Mapping[str, Partly] | None = None) -> None:
        """Make every call of `boundaries` count, those of `partly` in their middle too."""
        for owner, name in boundaries:
            around = self._watched(name, getattr(owner, name), (partly or {}).get(name))
            bound = isinstance(owner.__dict__.get(name), (staticmethod, classmethod))
            setattr(owner, name, staticmethod(around) if bound else around)

    def _watched(self, name: str, call: Callable[..., object], partly: Partly | None) -> Callable[..., object]:
        @functools.wraps(call)
        def around(*args: Any, **kwargs: Any) -> object:
            self.reach(f"before {name}")
            if partly is not None:
                self.reach(f"in the middle of {name}", partly(*args, **kwargs))
            result = call(*args, **kwargs)
            self.reach(f"after {name}")
            return result

        return around


class Children:
    """Starts processes from a fork server that has imported everything a module needs, which costs milliseconds."""

    def __init__(self, module: str) -> None:
        self.context = multiprocessing.get_context("forkserver")
        self.context.set_forkserver_preload([module])

    def run(self, target: Callable[..., None], *arguments: object) -> ForkServerProcess:
        child = self.context.Process(target=target, args=arguments)
        child.start()
        return child

    def finish(self, child: ForkServerProcess) -> int:
        """Wait for a child and return its exit code; one that hangs is killed and reported."""
        child.join(SECONDS)
        if child.exitcode is None:
            child.kill()
            child.join()
            raise AssertionError("the child did not end; what a crash left behind blocks it")
        return child.exitcode
