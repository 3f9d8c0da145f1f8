"""Bringing a deployment back to what the ledger says, after whatever cut a rollout short."""

from churn.log import get_logger
from seldon.deployment import Deployment
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
