"""What a rollout needs of a deployment; on one machine and on a cluster the same."""

from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from churn.errors import ChurnError
from churn.frozen import Frozen
from seldon.gateway.state import Desired, Observed

if TYPE_CHECKING:
    import polars as pl


class DeploymentNotReady(ChurnError):
    """The deployment did not become what was asked for; what served before goes on serving."""


class GenerationRefused(ChurnError):
    """Somebody else has changed the deployment since; look again before changing it."""


class TrackCounters(Frozen):
    """One track as the gateway counts it, since `started`.

    Attributes:
        started: names the process and the server that are counted; with another name the counters begin anew.
        requests: predictions assigned to the track.
        failed: those that it did not answer well at once: 5xx in the end, or rescued by a further attempt.
        retries: further attempts.
        ejections: times that the gateway took the server out.
        connect_failures: attempts that found nobody listening.
    """

    started: str
    requests: int
    failed: int = 0
    retries: int = 0
    ejections: int = 0
    connect_failures: int = 0


class Counters(Frozen):
    """Both tracks; None for one that has no share."""

    stable: TrackCounters | None
    canary: TrackCounters | None


class Deployment(Protocol):
    """A path that answers predictions, and who stands behind it."""

    def observe(self) -> Observed | None:
        """Return what serves now; None before the first deployment."""

    def apply(self, desired: Desired, *, timeout: float = 120.0) -> Observed:
        """Make it so, and return when it is.

        Raises:
            DeploymentNotReady: it did not come about within `timeout` seconds, or cannot.
            GenerationRefused: the generation is not newer than the present one.
        """

    def requests(self, since: datetime) -> "pl.DataFrame":
        """Return the predictions asked for since then, one row each, as the judge reads them."""

    def counters(self) -> Counters:
        """Return what the gateway has counted."""

    def stop(self) -> None:
        """End every process of it; the path answers no more."""
