"""A deployment on a cluster, as a rollout sees it."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from churn.log import get_logger
from churn.rollout.counters import Counters
from seldon.cluster.api import Api
from seldon.cluster.errors import Conflict
from seldon.cluster.history import History
from seldon.cluster.layout import CONTAINER, Layout, layout_of, spec_of
from seldon.cluster.lease import held, remember, remembered
from seldon.cluster.manifest import Metadata, SeldonDeployment
from seldon.cluster.prometheus import TelemetryMissing
from seldon.cluster.seen import DESIRED, HISTORY, LIVE, Found, Pod, missing, observed_server, trouble
from seldon.cluster.settings import PORT, ClusterSettings
from seldon.deployment import DeploymentNotReady, GenerationRefused, require_successor
from seldon.gateway.state import TRACKS, Desired, Observed, Track

if TYPE_CHECKING:
    import polars as pl

    from seldon.cluster.telemetry import Telemetry
    from seldon.gateway.prediction_log import Expected

log = get_logger(__name__)

_LOOK_EVERY = 0.5
_PASSES_WITHIN = 20.0
"""Seconds after which what could pass by itself, such as an image that cannot be pulled, is taken to stay."""
_NOT_OURS = "was made by somebody else; remove it, or choose another name in `deployment` of the settings"


@dataclass
class ClusterDeployment:
    """A SeldonDeployment with the predictors `stable` and, during a rollout, `canary`.

    Attributes:
        namespace: of the cluster; first part of the external path.
        deployment: name of the SeldonDeployment; second part of it.
        settings: how it is made.
        expected: scores logged features a second time, see `seldon.gateway.prediction_log`; None leaves that out.
        clock: now, in UTC.
    """

    namespace: str
    deployment: str
    settings: ClusterSettings
    expected: "Expected | None" = None
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    sleep: Callable[[float], None] = time.sleep
    _history: History = field(default_factory=History, init=False, repr=False)

    @cached_property
    def _api(self) -> Api:
        return Api(self.namespace, self.deployment, self.settings, self.sleep)

    @cached_property
    def _telemetry(self) -> "Telemetry":
        from seldon.cluster.telemetry import Telemetry

        return Telemetry(self.namespace, self.deployment, self.settings, self.expected, self.clock)

    def observe(self) -> Observed | None:
        """Return what serves now; None before the first deployment and after `stop`."""
        found = self._found()
        if found is None:
            return None
        desired = found.desired
        if desired is None:
            return Observed(
                generation=0, wanted=0, ready=False, stable=None, canary=None, fault=f"{self._api.place}: {_NOT_OURS}"
            )
        pods = self._pods()
        servers = {track: observed_server(pods, track) for track in TRACKS}
        layout = layout_of(desired)
        up = all((seen := servers[track]) is not None and seen.ready for track in layout.tracks)
        wrong = trouble(layout, pods)
        fault = found.failure or (wrong.says if wrong else None)
        if fault is None and found.live == desired.generation and not found.follows(layout):
            fault = "somebody has changed its predictors by hand; churn repair makes them as they should be"
        return Observed(
            generation=found.live,
            wanted=desired.generation,
            ready=up and fault is None and found.live == desired.generation,
            stable=servers["stable"],
            canary=servers["canary"],
            fault=fault,
        )

    def desired(self) -> Desired | None:
        """Return what should serve, after `stop` what served last; None before the first deployment."""
        found = self._found()
        return remembered(self._api) if found is None else found.desired

    def url(self, track: Track) -> str:
        """Return where one server answers, past the gateway and past Seldon's executor.

        Raises:
            DeploymentNotReady: there is none on this track.
        """
        found = self._found()
        if found is None or track not in found.shares:
            raise DeploymentNotReady(
                f"{self._api.place}: there is no {track} server; churn serve status says what runs"
            )
        return f"http://{self.deployment}-{track}-{CONTAINER}.{self.namespace}:{PORT}"

    def gateway_url(self) -> str:
        """Return where the deployment answers, up to the Seldon paths.

        Raises:
            DeploymentNotReady: it does not run.
        """
        if self._found() is None:
            raise DeploymentNotReady(f"{self._api.place}: nothing runs; deploy a version first")
        return f"{self.settings.gateway}/seldon/{self.namespace}/{self.deployment}"

    def claimed(self) -> AbstractContextManager[None]:
        """Be the one rollout of this deployment while the body runs; a lease that dies with the process, if later.

        Raises:
            RolloutRuns: another one is.
        """
        return held(self._api)

    def apply(self, desired: Desired, *, timeout: float = 120.0) -> Observed:
        """Make it so, and return when the operator has done it, pods are ready and the gateway had time to follow.

        A canary that becomes stable keeps all requests until stable's pods serve what it serves.

        Raises:
            DeploymentNotReady: names what is not ready, and why.
            GenerationRefused: the generation is not newer than the present one, or somebody was quicker.
        """
        deadline = time.monotonic() + timeout
        for layout in self._stages(desired):
            self._write(desired, layout, deadline)
            self._wait(desired, layout, deadline)
        self._write_live(desired, deadline)
        observed = self.observe()
        if observed is None:
            raise GenerationRefused(f"{self._api.place}: somebody stopped it meanwhile")
        return observed

    def requests(self, since: datetime) -> "pl.DataFrame":
        """Return the predictions asked for since then, one row each; see `seldon.cluster.requests`."""
        found = self._found()
        if found is not None:
            self._history = found.history
        return self._telemetry.requests(self._history, since)

    def counters(self) -> Counters:
        """Return what Seldon's executors have counted since this was first asked; none while Prometheus is away."""
        try:
            return self._telemetry.counters()
        except TelemetryMissing as error:
            log.warning("counters_missing", deployment=self._api.place, error=str(error))
            return Counters(stable=None, canary=None)

    def stop(self) -> None:
        """Remove it; the path answers no more.

        Raises:
            DeploymentNotReady: its pods do not go.
        """
        desired = self.desired()
        if desired is not None:
            remember(self._api, desired)
        self._api.delete()
        deadline = time.monotonic() + self.settings.grace_seconds + self.settings.api_seconds
        while left := [pod for pod in self._pods() if not pod.gone]:
            if time.monotonic() > deadline:
                name = left[0].name
                raise DeploymentNotReady(f"{self._api.place}: pod {name} does not go; kubectl describe pod tells why")
            self.sleep(_LOOK_EVERY)

    def _found(self) -> Found | None:
        body = self._api.deployment()
        return None if body is None else Found(body)

    def _pods(self) -> tuple[Pod, ...]:
        return tuple(map(Pod, self._api.pods()))

    def _stages(self, desired: Desired) -> Iterator[Layout]:
        """Return what has to be on the way to a wish, and the wish itself."""
        wanted, found = layout_of(desired), self._found()
        if found is not None:
            canary, weight, shadow = found.shares.get("canary", (None, 0, True))
            stable, _, _ = found.shares.get("stable", (None, 0, True))
            if desired.promotes(canary, 0 if shadow else weight) and stable != desired.stable:
                yield wanted.model_copy(update={"canary": canary, "weight": 100})
        yield wanted

    def _write(self, desired: Desired, layout: Layout, deadline: float) -> None:
        """Store a layout; after a conflict, look again whether it may still be."""
        while True:
            found = self._found()
            if found is not None and found.desired is None:
                raise GenerationRefused(f"{self._api.place}: {_NOT_OURS}")
            present = found.desired if found is not None else remembered(self._api)
            require_successor(self._api.place, (self.namespace, self.deployment), present, desired)
            if found is not None and present == desired and found.follows(layout):
                return
            try:
                body = self._manifest(desired, layout, found)
                if found is None:
                    self._api.create(body.plain())
                else:
                    self._api.replace(body.plain())
                return
            except Conflict as error:
                self._look_again(error, deadline)

    def _manifest(self, desired: Desired, layout: Layout, found: Found | None) -> SeldonDeployment:
        """Return the whole object; what others have written beside it stays."""
        metadata = found.body["metadata"] if found is not None else {}
        history = (found.history if found is not None else History()).begun(desired, self.clock())
        annotations = {DESIRED: desired.model_dump_json(), HISTORY: history.model_dump_json()}
        return SeldonDeployment(
            metadata=Metadata(
                name=self.deployment,
                namespace=self.namespace,
                labels=metadata.get("labels") or {},
                annotations=(metadata.get("annotations") or {}) | annotations,
                resource_version=found.version if found is not None else None,
            ),
            spec=spec_of(layout, self.namespace, self.deployment, self.settings),
        )

    def _wait(self, desired: Desired, layout: Layout, deadline: float) -> None:
        """Return when nothing has been missing for `settle_seconds`: operator and ingress follow late."""
        settled: float | None = None
        fine = time.monotonic()
        while True:
            found = self._require_mine(desired)
            pods = self._pods()
            wrong = trouble(layout, pods)
            if wrong is None:
                fine = time.monotonic()
            elif wrong.final or time.monotonic() > fine + _PASSES_WITHIN:
                raise DeploymentNotReady(f"{self._api.place}: {wrong.says}")
            lacks = tuple(missing(layout, found, pods, self._api.workloads(), self.settings.replicas))
            if lacks:
                settled = None
            elif settled is None:
                settled = time.monotonic() + self.settings.settle_seconds
            if settled is not None and time.monotonic() >= settled:
                return
            if time.monotonic() > deadline:
                raise DeploymentNotReady(
                    f"{self._api.place}: {lacks[0] if lacks else 'not settled'} in time; kubectl describe tells more"
                )
            self.sleep(_LOOK_EVERY)

    def _write_live(self, desired: Desired, deadline: float) -> None:
        while True:
            found = self._require_mine(desired)
            if found.live == desired.generation:
                return
            history = found.history.now_live(desired.generation, self.clock())
            try:
                self._api.annotate(found.version, {LIVE: str(desired.generation), HISTORY: history.model_dump_json()})
                return
            except Conflict as error:
                self._look_again(error, deadline)

    def _require_mine(self, desired: Desired) -> Found:
        found = self._found()
        if found is None:
            raise GenerationRefused(f"{self._api.place}: somebody stopped it meanwhile")
        if found.desired != desired:
            by = found.desired.generation if found.desired is not None else "another"
            raise GenerationRefused(f"{self._api.place}: generation {by} was set meanwhile")
        return found

    def _look_again(self, conflict: Conflict, deadline: float) -> None:
        log.info("cluster_conflict", deployment=self._api.place, says=str(conflict))
        if time.monotonic() > deadline:
            raise DeploymentNotReady(
                f"{self._api.place}: somebody else changes it all the time ({conflict}); find out who, and try again"
            )
        self.sleep(timedelta(milliseconds=100).total_seconds())
