"""A process that is kept: started, asked whether it is ready, started again when it dies or hangs."""

import asyncio
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from churn.log import get_logger
from seldon.gateway import child as children
from seldon.gateway.child import Child, Run
from seldon.gateway.folder import DeploymentFolder
from seldon.gateway.settings import GatewaySettings

log = get_logger(__name__)

REFUSED: Final = 3
"""The exit code of a server that does not take its bundle."""
_LONG_LIFE = 30.0
_FIRST_BACK_OFF = 0.25
_LOOK_EVERY = 0.05


@dataclass(frozen=True)
class Probes:
    """Questions to a process; each blocks for a probe's time-out at most."""

    ready: Callable[[], bool]
    alive: Callable[[], bool]


class Kept:
    """One process and its successors under the same name.

    Attributes:
        ready: the present process answers.
        was_ready: this or an earlier one did.
        restarts: successors of processes that had been ready.
        refusal: why there will be no further start; None while there may be.
        trouble: what keeps happening; None while all is well.
    """

    def __init__(
        self,
        run: Run,
        probes: Probes,
        folder: DeploymentFolder,
        settings: GatewaySettings,
        environ: Mapping[str, str],
        *,
        memory_mb: int | None = None,
        persistent: bool = False,
    ) -> None:
        self.run = run
        self._probes = probes
        self._folder = folder
        self._settings = settings
        self._environ = environ
        self._memory_mb = memory_mb
        self._persistent = persistent
        self.child: Child | None = None
        self.ready = self.was_ready = False
        self.restarts = run.restarts
        self.refusal: str | None = None
        self.trouble: str | None = None
        self._deaths = 0
        self._task: asyncio.Task[None] | None = None

    def begin(self, found: Child | None = None, *, was_ready: bool = False) -> None:
        """Keep the process from now on; `found` is one that runs already."""
        self.child = found
        self.was_ready = was_ready
        self._task = asyncio.create_task(self._keep())

    @property
    def failure(self) -> BaseException | None:
        """What ended the keeping itself; nothing should."""
        return self._task.exception() if self._task and self._task.done() and not self._task.cancelled() else None

    async def end(self, patience: float) -> None:
        """Keep it no longer, and end it."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self.ready = False
        if self.child is not None:
            await self.child.stop(patience)
        children.forget(self._folder, self.run.name)

    async def _keep(self) -> None:
        while True:
            began = time.monotonic()
            started = self.child is None
            process = self.child or self._start()
            if process is None:
                self._count("cannot be started: the system refuses another process")
            elif await self._becomes_ready(process):
                self.ready = self.was_ready = True
                if started:
                    log.info("process_ready", process=self.run.name, pid=process.pid)
                ending = await self._ending(process)
                self.ready = False
                self.restarts += 1
                self._count(f"{ending} after {time.monotonic() - began:.0f} s")
            else:
                ending = _exit(process)
                await process.stop(self._settings.stop_seconds)
                self._count(ending)
                if self._gives_up(process):
                    self.refusal = f"{self.run.name} does not start: {ending}; see {self.log}"
                    log.error("process_refused", process=self.run.name, reason=ending)
                    self.child = None
                    return
            self.child = None
            await asyncio.sleep(self._back_off())

    @property
    def log(self) -> str:
        """The file that tells more."""
        return str(children.log_file(self._folder, self.run.name))

    def _start(self) -> Child | None:
        try:
            run = self.run.model_copy(update={"restarts": self.restarts})
            self.child = children.start(self._folder, run, self._environ, self._memory_mb)
        except OSError as error:
            log.error("process_not_started", process=self.run.name, reason=error.strerror)
        return self.child

    async def _becomes_ready(self, process: Child) -> bool:
        deadline = time.monotonic() + self._settings.start_seconds
        while time.monotonic() < deadline and not process.ended():
            if await asyncio.to_thread(self._probes.ready):
                return True
            await asyncio.sleep(_LOOK_EVERY)
        return False

    async def _ending(self, process: Child) -> str:
        """Return how a process came to its end, helping one that hangs."""
        missed, born = 0, time.monotonic()
        asked = born
        while not process.ended():
            await asyncio.sleep(_LOOK_EVERY)
            if time.monotonic() - born > _LONG_LIFE:
                self._deaths, self.trouble = 0, None
            if time.monotonic() - asked < self._settings.probe_seconds:
                continue
            missed = 0 if await asyncio.to_thread(self._probes.alive) else missed + 1
            asked = time.monotonic()
            if missed >= self._settings.probe_misses and not process.ended():
                process.signal(signal.SIGKILL)
                await process.stop(0.0)
                return "hung and was killed"
        return _exit(process)

    def _gives_up(self, process: Child) -> bool:
        if self._persistent and self.was_ready:
            return False
        if process.exit_code == REFUSED:
            return True
        return not self.was_ready and self._deaths >= self._settings.start_attempts

    def _count(self, ending: str) -> None:
        self._deaths += 1
        log.warning("process_ended", process=self.run.name, how=ending)
        again = self._deaths >= self._settings.start_attempts
        self.trouble = f"{self.run.name} {ending}, {self._deaths} times in a row; see {self.log}" if again else None

    def _back_off(self) -> float:
        """Start at once after the first death, then wait twice as long each time."""
        if self._deaths <= 1 and self.was_ready:
            return 0.0
        return min(_FIRST_BACK_OFF * 2.0 ** (self._deaths - 1), self._settings.longest_back_off_seconds)


def _exit(process: Child) -> str:
    code = process.exit_code
    if code is None:
        return "ended" if process.ended() else "was not ready in time"
    if code == REFUSED:
        return "its bundle was refused"
    return f"was ended by signal {-code}" if code < 0 else f"exited with code {code}"
