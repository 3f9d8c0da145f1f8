"""Bringing a deployment back to what the ledger says, after whatever cut a rollout short."""

from collections.abc import Iterator

from churn.log import get_logger
from seldon.deployment import Deployment, RolloutRuns
from seldon.gateway.state import Desired, Server
from seldon.rollout.plan import Place

log = get_logger(__name__)


def reconcile(deployment: Deployment, place: Place, stable: Server, timeout: float) -> bool:
    """Make a deployment serve one version and no canary; returns whether anything had to be done.

    Raises:
        DeploymentNotReady: the version cannot be served.
    """
    desired, observed = deployment.desired(), deployment.observe()
    wanted = desired is not None and desired.canary is None and desired.stable == stable
    if wanted and observed is not None and observed.ready:
        return False
    log.warning(
        "deployment_reconciled",
        deployment=str(place),
        version=stable.version,
        served=desired.stable.version if desired and desired.stable else None,
        canary=desired.canary.version if desired and desired.canary else None,
    )
    deployment.apply(
        Desired(
            namespace=place.namespace,
            deployment=place.deployment,
            generation=desired.generation + 1 if desired else 1,
            stable=stable,
        ),
        timeout=timeout,
    )
    return True


def out_of_line(deployment: Deployment, place: Place, version: str | None, digest: str | None) -> tuple[str, ...]:
    """Say where a deployment that runs is not one healthy server of the version in production; each as a sentence.

    One that was stopped, or never deployed, is as it should be, and a rollout that runs knows what it does.
    """
    found = tuple(_out_of_line(deployment, place, version, digest))
    return () if found and _rolls_out(deployment) else found


def _out_of_line(deployment: Deployment, place: Place, version: str | None, digest: str | None) -> Iterator[str]:
    desired, observed = deployment.desired(), deployment.observe()
    if desired is None or observed is None:
        return
    stable, canary = desired.stable, desired.canary
    if stable is not None and (stable.version, stable.digest) != (version, digest):
        production = "no version" if version is None else f"version {version}"
        yield f"deployment {place}: serves version {stable.version}, where {production} is in production"
    if canary is not None:
        yield f"deployment {place}: still has version {canary.version} as its canary, and no rollout runs"
    if not observed.ready:
        yield f"deployment {place}: {observed.fault or 'is not ready'}"


def _rolls_out(deployment: Deployment) -> bool:
    try:
        with deployment.claimed():
            return False
    except RolloutRuns:
        return True
