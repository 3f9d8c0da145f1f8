"""What a rollout needs of a deployment; on one machine and on a cluster the same."""

from contextlib import AbstractContextManager
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from churn.errors import ChurnError
from churn.rollout.counters import Counters
from seldon.gateway.state import Desired, Observed, Track

if TYPE_CHECKING:
    import polars as pl


class DeploymentNotReady(ChurnError):
    """The deployment did not become what was asked for; what served before goes on serving."""


class GenerationRefused(ChurnError):
    """Somebody else has changed the deployment since; look again before changing it."""


class RolloutRuns(ChurnError):
    """Another rollout moves the weights of this deployment now."""


def require_successor(place: str, names: tuple[str, str], present: Desired | None, desired: Desired) -> None:
    """Refuse a state that does not follow the present one; the present one itself may be asked for again.

    Args:
        place: where, for people.
        names: namespace and deployment there.
        present: what was asked for last.
        desired: what is asked for now.

    Raises:
        GenerationRefused: names who was quicker.
    """
    if names != (desired.namespace, desired.deployment):
        raise GenerationRefused(f"{place}: the state is for {desired.namespace}/{desired.deployment}; apply it there")
    if present is not None and present != desired and desired.generation <= present.generation:
        by = f" by {present.rollout}" if present.rollout else ""
        raise GenerationRefused(
            f"{place}: generation {desired.generation} comes after {present.generation} was set{by}; "
            "one rollout at a time, look at the present state and begin there"
        )


class Deployment(Protocol):
    """A path that answers predictions, and who stands behind it."""

    def observe(self) -> Observed | None:
        """Return what serves now; None before the first deployment."""

    def desired(self) -> Desired | None:
        """Return what should serve, after `stop` what served last; None before the first deployment."""

    def url(self, track: Track) -> str:
        """Return where one server answers, past the gateway and up to the Seldon paths.

        Raises:
            DeploymentNotReady: there is none on this track.
        """

    def gateway_url(self) -> str:
        """Return where the deployment answers, up to the Seldon paths.

        Raises:
            DeploymentNotReady: it does not run.
        """

    def claimed(self) -> AbstractContextManager[None]:
        """Be the one rollout of this deployment while the body runs.

        Raises:
            RolloutRuns: another one is.
        """

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
