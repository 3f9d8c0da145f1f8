"""What the API server shows of a deployment, and what is wrong with it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from seldon.cluster.api import Object
from seldon.cluster.history import History
from seldon.cluster.layout import CONTAINER, PREFIX, SERVER, TRACK_LABEL, Layout
from seldon.gateway.state import TRACKS, Desired, ObservedServer, Server, Track

DESIRED, HISTORY, LIVE = f"{PREFIX}/desired", f"{PREFIX}/history", f"{PREFIX}/live"
"""Annotations: the wish, its history, and the newest generation that was live."""

_STUCK = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "CreateContainerConfigError")
_FINAL, _TRIES = (2, 3), 2
"""Statuses of a server that will end the same way again, and how often one may end otherwise."""

_LONGEST_LINE = 400


@dataclass(frozen=True)
class Trouble:
    """What keeps a pod from serving; `final` will be the same at the next attempt, all else may pass by itself."""

    says: str
    final: bool = False


@dataclass(frozen=True)
class Found:
    """A SeldonDeployment as it is stored."""

    body: Object

    @property
    def version(self) -> str:
        """Changes with every change of the object."""
        return str(self.body["metadata"]["resourceVersion"])

    @property
    def desired(self) -> Desired | None:
        """What was asked for; None for one that was made by somebody else."""
        return desired_of(self.body)

    @property
    def history(self) -> History:
        """Weights so far; none where somebody has damaged them."""
        try:
            return History.model_validate_json(self._annotations.get(HISTORY, "{}"))
        except ValidationError:
            return History()

    @property
    def live(self) -> int:
        """The newest generation that was live."""
        text = self._annotations.get(LIVE, "")
        return int(text) if text.isdecimal() else 0

    @property
    def shares(self) -> dict[str, tuple[Server | None, int, bool]]:
        """By predictor: whom it serves, its traffic, and whether it is a shadow."""
        return {
            str(one["name"]): (
                _server((one.get("annotations") or {}).get(SERVER)),
                int(one.get("traffic") or 0),
                bool(one.get("shadow")),
            )
            for one in self.body["spec"]["predictors"]
        }

    def follows(self, layout: Layout) -> bool:
        """Tell whether its predictors and their shares are those of a layout."""
        return self.shares == {
            track: (layout.server(track), layout.traffic(track), layout.shadow(track)) for track in layout.tracks
        }

    @property
    def available(self) -> bool:
        """Whether the operator has done what this version asks for, as far as it says."""
        status = self.body.get("status") or {}
        seen = status.get("observedGeneration")
        behind = isinstance(seen, int) and 0 < seen < int(self.body["metadata"].get("generation") or 0)
        return status.get("state") == "Available" and not behind

    @property
    def failure(self) -> str | None:
        """Why the operator gave up, if it did."""
        status = self.body.get("status") or {}
        if status.get("state") != "Failed":
            return None
        return f"Seldon's operator failed: {str(status.get('description') or 'no description')[:_LONGEST_LINE]}"

    @property
    def _annotations(self) -> dict[str, str]:
        return self.body["metadata"].get("annotations") or {}


@dataclass(frozen=True)
class Pod:
    """A pod of ours."""

    body: Object

    @property
    def name(self) -> str:
        """As in `kubectl logs`."""
        return str(self.body["metadata"]["name"])

    @property
    def track(self) -> str:
        """Whom it answers for."""
        return str(self.body["metadata"]["labels"].get(TRACK_LABEL, ""))

    @property
    def server(self) -> Server | None:
        """What it serves."""
        return _server((self.body["metadata"].get("annotations") or {}).get(SERVER))

    @property
    def leaving(self) -> bool:
        """Whether it ends."""
        return bool(self.body["metadata"].get("deletionTimestamp")) or self._status.get("phase") in (
            "Succeeded",
            "Failed",
        )

    @property
    def gone(self) -> bool:
        """Whether nothing of it runs any more, and will not again; its node may take long to strike it off."""
        return self.leaving and not (self._container.get("state") or {}).get("running")

    @property
    def ready(self) -> bool:
        """Whether it takes requests."""
        conditions = self._status.get("conditions") or ()
        return not self.leaving and any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)

    @property
    def restarts(self) -> int:
        """How often its server died."""
        return int(self._container.get("restartCount") or 0)

    @property
    def since(self) -> datetime | None:
        """When its server started."""
        started = ((self._container.get("state") or {}).get("running") or {}).get("startedAt")
        return datetime.fromisoformat(started.replace("Z", "+00:00")) if started else None

    @property
    def trouble(self) -> Trouble | None:
        """What keeps it from serving."""
        if self.leaving:
            return None
        waiting = (self._container.get("state") or {}).get("waiting") or {}
        if waiting.get("reason") in _STUCK:
            return Trouble(f"pod {self.name}: {waiting['reason']}: {_short(waiting.get('message'))}")
        ended = (self._container.get("lastState") or {}).get("terminated") or (
            (self._container.get("state") or {}).get("terminated") or {}
        )
        status = ended.get("exitCode")
        if status and not self.ready and (status in _FINAL or self.restarts >= _TRIES):
            return Trouble(
                f"pod {self.name}: its server ended with status {status} "
                f"({ended.get('reason', 'no reason')}): {_short(ended.get('message'))}",
                final=status in _FINAL,
            )
        return None

    @property
    def _status(self) -> dict[str, Any]:
        return self.body.get("status") or {}

    @property
    def _container(self) -> dict[str, Any]:
        statuses = self._status.get("containerStatuses") or ()
        return next((one for one in statuses if one["name"] == CONTAINER), {})


def desired_of(body: Object) -> Desired | None:
    """Return the wish that an object's annotations keep."""
    text = (body["metadata"].get("annotations") or {}).get(DESIRED)
    try:
        return Desired.model_validate_json(text) if text else None
    except ValidationError:
        return None


def observed_server(pods: Sequence[Pod], track: Track) -> ObservedServer | None:
    """Return who serves a track: the pods that take requests, else those to come; None without any."""
    own = [pod for pod in pods if pod.track == track and not pod.leaving and pod.server is not None]
    if not own:
        return None
    own.sort(key=lambda pod: (not pod.ready, -pod.restarts))
    server = own[0].server
    assert server is not None
    return ObservedServer(
        version=server.version,
        digest=server.digest,
        ready=own[0].ready,
        restarts=max(pod.restarts for pod in own),
        since=own[0].since,
    )


def missing(
    layout: Layout, found: Found, pods: Sequence[Pod], workloads: Sequence[Object], replicas: int
) -> Iterator[str]:
    """Say what is not yet as the layout wants it."""
    if not found.available:
        state = (found.body.get("status") or {}).get("state") or "not taken up by Seldon's operator"
        yield found.failure or f"its SeldonDeployment is {state}"
    for track in TRACKS:
        wanted = layout.server(track)
        present = [pod for pod in pods if pod.track == track and not pod.leaving]
        ready = sum(pod.ready for pod in present if pod.server == wanted)
        if wanted is not None and ready < replicas:
            yield f"{track} {wanted.version}: {ready} of {replicas} pods are ready"
        old = [pod.name for pod in present if pod.server != wanted]
        if old:
            yield f"{track}: pod {old[0]} has not left yet"
    for workload in workloads:
        status, name = workload.get("status") or {}, workload["metadata"]["name"]
        behind = int(status.get("observedGeneration") or 0) < int(workload["metadata"].get("generation") or 0)
        if behind or len({int(status.get(f"{kind}eplicas") or 0) for kind in ("r", "updatedR", "availableR")}) > 1:
            yield f"Deployment {name} is being rolled out"


def trouble(layout: Layout, pods: Sequence[Pod]) -> Trouble | None:
    """Return what keeps a pod of the layout from serving; one that has to go may be as broken as it likes."""
    wanted = [
        pod for pod in pods for track in layout.tracks if (pod.track, pod.server) == (track, layout.server(track))
    ]
    return next((pod.trouble for pod in wanted if pod.trouble), None)


def _server(text: str | None) -> Server | None:
    try:
        return Server.model_validate_json(text) if text else None
    except ValidationError:
        return None


def _short(text: str | None) -> str:
    line = " ".join((text or "no message").split())
    return line if len(line) <= _LONGEST_LINE else f"…{line[-_LONGEST_LINE:]}"
