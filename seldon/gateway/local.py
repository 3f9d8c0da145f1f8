"""A deployment on this machine, as a rollout sees it."""

import fcntl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from churn.log import get_logger
from churn.rollout.counters import Counters
from seldon.deployment import DeploymentNotReady, GenerationRefused, RolloutRuns, require_successor
from seldon.gateway import admin
from seldon.gateway.counters import counters
from seldon.gateway.folder import DeploymentFolder
from seldon.gateway.routes import kill_switch, live_split
from seldon.gateway.settings import GatewaySettings
from seldon.gateway.split import Split, becomes_stable
from seldon.gateway.start import start_supervisor, stop_supervisor
from seldon.gateway.state import Desired, LocalObserved, Track

if TYPE_CHECKING:
    import polars as pl

    from seldon.gateway.prediction_log import Expected, PredictionLog

log = get_logger(__name__)

_LOOK_EVERY = 0.02
_NOBODY = "no supervisor runs, what dies now stays dead; deploy again, or start it with python -m seldon.gateway"


@dataclass(frozen=True)
class LocalDeployment:
    """Server processes behind Envoy, kept by a supervisor.

    Attributes:
        root: holds `deployments/<namespace>/<deployment>/`.
        namespace: first part of the external path.
        deployment: second part of it.
        settings: for the supervisor, when it is started from here.
        expected: scores logged features a second time, see `seldon.gateway.prediction_log`; None leaves that out.
        clock: now, in UTC.
        behind: how far the clock that dates predictions is behind that.
    """

    root: Path
    namespace: str
    deployment: str
    settings: GatewaySettings
    expected: "Expected | None" = None
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    behind: Callable[[], timedelta] = timedelta

    @cached_property
    def _predictions(self) -> "PredictionLog":
        from seldon.gateway.prediction_log import PredictionLog

        return PredictionLog(self.settings.landing, self.deployment, self.expected, self.behind)

    @property
    def folder(self) -> DeploymentFolder:
        """Where everything about it lies."""
        return DeploymentFolder(self.root.resolve() / "deployments" / self.namespace / self.deployment)

    def observe(self) -> LocalObserved | None:
        """Return what serves now; None before the first deployment and after `stop`."""
        observed = self.folder.observed()
        if observed is None or self.folder.supervisor_pid() is not None:
            return observed
        return observed.model_copy(update={"ready": False, "supervisor_pid": None, "fault": _NOBODY})

    def desired(self) -> Desired | None:
        """Return what should serve, after `stop` what served last; None before the first deployment."""
        return self.folder.desired()

    def url(self, track: Track) -> str:
        """Return where one server answers, past the gateway and up to the Seldon paths.

        Raises:
            DeploymentNotReady: there is none on this track.
        """
        observed = self.observe()
        server = (observed.stable if track == "stable" else observed.canary) if observed else None
        if server is None:
            raise DeploymentNotReady(
                f"{self.folder.path}: there is no {track} server; churn serve status says what runs"
            )
        return f"http://127.0.0.1:{server.port}"

    def gateway_url(self) -> str:
        """Return where the deployment answers, up to the Seldon paths.

        Raises:
            DeploymentNotReady: it does not run.
        """
        observed = self.observe()
        if observed is None or observed.gateway_pid is None:
            raise DeploymentNotReady(f"{self.folder.path}: nothing runs; deploy a version first")
        return f"http://127.0.0.1:{observed.gateway_port}/seldon/{self.namespace}/{self.deployment}"

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Be the one rollout of this deployment while the body runs; the kernel ends that with the process.

        Raises:
            RolloutRuns: another one is.
        """
        self.folder.prepare()
        with (self.folder.path / "rollout.lock").open("a", encoding="utf-8") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise RolloutRuns(
                    f"{self.folder.path}: another rollout moves its weights now; wait for its end, churn serve status "
                    "shows it"
                ) from None
            yield

    def apply(self, desired: Desired, *, timeout: float = 120.0) -> LocalObserved:
        """Make it so, and return when Envoy routes by it and every server named is up.

        A canary that goes without becoming stable loses its requests first of all, within milliseconds and without the
        supervisor: through a switch in Envoy, which holds until the route without it is there.

        Raises:
            DeploymentNotReady: names what is not ready, and the log file that tells why.
            GenerationRefused: the generation is not newer than the present one.
        """
        folder = self.folder
        folder.prepare()
        with folder.changing():
            require_successor(str(folder.path), (self.namespace, self.deployment), folder.desired(), desired)
            self._kill(desired)
            folder.write(folder.desired_file, desired.model_dump_json(indent=1))
        start_supervisor(folder, self.settings)
        return self._live(desired, timeout)

    def requests(self, since: datetime) -> "pl.DataFrame":
        """Return the predictions asked for since then, one row each; see `seldon.gateway.requests`."""
        from seldon.gateway.requests import requests

        within = timedelta(seconds=self.settings.record_seconds)
        return requests(self.folder, self._predictions, since, self.clock(), within)

    def predictions(self, since: datetime) -> "pl.DataFrame":
        """Return what the servers wrote down since then, one row a request and track; the copies of a mirror too."""
        return self._predictions.records(since, self.clock())

    def counters(self) -> Counters:
        """Return what this Envoy has counted of the live split; none while it is away."""
        observed = self.folder.observed()
        if observed is None or observed.gateway_pid is None:
            return Counters(stable=None, canary=None)
        return counters(self._split(), observed.gateway_pid, observed.admin_port)

    def stop(self) -> None:
        """End every process of it; the path answers no more."""
        stop_supervisor(self.folder)

    def _split(self) -> Split:
        try:
            return live_split(self.folder.routes.read_bytes())
        except FileNotFoundError:
            return Split()

    def _kill(self, desired: Desired) -> None:
        """Take every request from a canary that is not wanted any more; without Envoy there are none to take."""
        live = self._split()
        leaves = live.canary is not None and (desired.canary is None or desired.canary != live.canary.server)
        if not leaves or becomes_stable(live, desired):
            return
        observed = self.folder.observed()
        taken = observed is not None and admin.set_runtime(observed.admin_port, kill_switch(live))
        log.info("canary_switched_off", deployment=str(self.folder.path), at_once=taken)

    def _live(self, desired: Desired, timeout: float) -> LocalObserved:
        deadline = time.monotonic() + timeout
        observed: LocalObserved | None = None
        while time.monotonic() < deadline:
            with suppress(FileNotFoundError):
                observed = self.folder.observed()
            if observed is not None and observed.wanted == desired.generation:
                if observed.ready:
                    return observed
                if observed.fault is not None:
                    raise DeploymentNotReady(f"{self.folder.path}: {observed.fault}")
            if observed is not None and observed.wanted > desired.generation:
                raise GenerationRefused(f"{self.folder.path}: generation {observed.wanted} was set meanwhile")
            time.sleep(_LOOK_EVERY)
        raise DeploymentNotReady(f"{self.folder.path}: {self._missing(desired, observed)} after {timeout:.0f} s")

    def _missing(self, desired: Desired, observed: LocalObserved | None) -> str:
        logs = self.folder.logs
        if observed is None or observed.wanted != desired.generation:
            return f"the supervisor has not taken generation {desired.generation} up; see {logs / 'supervisor.log'};"
        for track, server in (("stable", observed.stable), ("canary", observed.canary)):
            if server is not None and not server.ready:
                name = f"{track}-{server.version}-{server.port}"
                return f"{track} {server.version} is not ready; see {logs / f'{name}.log'};"
        return f"Envoy does not route by generation {desired.generation}; see {logs / 'envoy.log'};"
