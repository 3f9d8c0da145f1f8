"""What a deployment should be and what it is; on one machine each is a file."""

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from churn.frozen import Frozen

Track = Literal["stable", "canary"]
TRACKS: tuple[Track, ...] = ("stable", "canary")

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
"""Part of a URL path and, on a cluster, of an object's name."""


class Server(Frozen):
    """A bundle to be served; equal servers give equal answers."""

    version: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$", description="the registered model's version")
    digest: str = Field(pattern=r"^[0-9a-f]{64}$", description="the bundle's digest; another bundle is refused")
    bundle: str = Field(
        pattern=r"^(/|[a-z][a-z0-9]*://)", description="its folder: an absolute path, or a URL that a cluster can read"
    )
    drill: float = Field(default=0.0, ge=0, le=1, description="share of requests it fails on purpose")


class Desired(Frozen):
    """A whole state, so that whoever reads it needs no history."""

    namespace: Name
    deployment: Name
    generation: int = Field(ge=1, description="grows with every change; an older one is refused")
    stable: Server | None = None
    canary: Server | None = None
    canary_weight: int = Field(default=0, ge=0, le=100, description="percent of the customers that the canary gets")
    mirror: bool = Field(default=False, description="shadow: the canary gets a copy of every request, answers none")
    salt: str = Field(
        default="",
        pattern=r"^[A-Za-z0-9-]{0,64}$",
        description="of this rollout: decides which customers belong to the canary",
    )
    rollout: str | None = Field(default=None, description="who moves the weights")

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.canary is not None and self.stable is None:
            raise ValueError("a canary needs a stable server beside it")
        if self.canary is None and (self.canary_weight or self.mirror):
            raise ValueError("there is no canary for this weight or mirror")
        if self.canary_weight and self.mirror:
            raise ValueError("a mirrored canary answers nobody: its weight is 0")
        if self.canary_weight and not self.salt:
            raise ValueError("a weight needs a salt, fresh for each rollout")
        return self

    def server(self, track: Track) -> Server | None:
        """Return who should serve this track."""
        return self.stable if track == "stable" else self.canary

    def promotes(self, canary: Server | None, weight: int) -> bool:
        """Tell whether the canary that has had this weight becomes stable: it goes, but what it serves stays."""
        if canary is None or not weight or self.canary is not None or self.stable is None:
            return False
        return self.stable.digest == canary.digest


class ObservedServer(Frozen):
    """Who serves a track."""

    version: str
    digest: str
    ready: bool = Field(description="it has answered a warm-up prediction, and is asked by the gateway")
    restarts: int
    since: datetime | None = Field(description="start of the present process, UTC")


class Observed(Frozen):
    """What serves requests now."""

    generation: int = Field(description="the newest generation that was live, 0 before the first")
    wanted: int = Field(description="the generation that is worked on; `fault` belongs to it")
    ready: bool = Field(description="the wanted generation is live and everything it names is up")
    stable: ObservedServer | None
    canary: ObservedServer | None
    fault: str | None = None


class LocalServer(ObservedServer):
    """A server process as the supervisor sees it."""

    port: int
    pid: int | None = Field(description="None between two lives")


class LocalObserved(Observed):
    """`observed.json`."""

    stable: LocalServer | None
    canary: LocalServer | None
    gateway_port: int
    admin_port: int
    gateway_pid: int | None
    supervisor_pid: int | None
    draining: tuple[int, ...] = Field(default=(), description="processes that get no new request and will end")
