"""What a deployment should be and what it is: two files, one written by who deploys and one by the supervisor."""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, field_validator, model_validator

from churn.frozen import Frozen

Track = Literal["stable", "canary"]
TRACKS: tuple[Track, ...] = ("stable", "canary")

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
"""Part of a URL path and, on a cluster, of an object's name."""


class Server(Frozen):
    """A bundle to be served; equal servers give equal answers."""

    version: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$", description="the registered model's version")
    digest: str = Field(pattern=r"^[0-9a-f]{64}$", description="the bundle's digest; another bundle is refused")
    bundle: Path
    drill: float = Field(default=0.0, ge=0, le=1, description="share of requests it fails on purpose")

    @field_validator("bundle")
    @classmethod
    def _found_from_anywhere(cls, bundle: Path) -> Path:
        if not bundle.is_absolute():
            raise ValueError("must be an absolute path: the server runs in another folder")
        return bundle


class Desired(Frozen):
    """`desired.json`: a whole state, so that whoever reads it needs no history."""

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


class ObservedServer(Frozen):
    """A server process as the supervisor sees it."""

    version: str
    digest: str
    port: int
    pid: int | None = Field(description="None between two lives")
    ready: bool = Field(description="the process has answered a warm-up prediction and Envoy finds it healthy")
    restarts: int
    since: datetime | None = Field(description="start of the present process, UTC")


class Observed(Frozen):
    """`observed.json`: what serves requests now."""

    generation: int = Field(description="the newest generation that Envoy has routed by, 0 before the first")
    wanted: int = Field(description="the generation that the supervisor works on; `fault` belongs to it")
    ready: bool = Field(description="the wanted generation is live and everything it names is up")
    stable: ObservedServer | None
    canary: ObservedServer | None
    gateway_port: int
    admin_port: int
    gateway_pid: int | None
    supervisor_pid: int | None
    draining: tuple[int, ...] = Field(default=(), description="processes that get no new request and will end")
    fault: str | None = None
