"""The deployment of the active stack, and bringing it to what the ledger has in production."""

from churn.ledger.standing import standing
from churn.rollout.deploying import DeploymentSettings
from seldon.deployment import Deployment
from seldon.rollout.plan import Place
from seldon.rollout.reconcile import reconcile
from stacks.deployer import active_deployer
from stacks.environment import active_settings
from steps.plan_rollout import opened
from steps.registry import active_ledger


def active_deployment(settings: DeploymentSettings) -> Deployment:
    """Return the deployment of the active stack, whether it runs or not."""
    return active_deployer().deployment(Place.of(settings))


def serve_production() -> str | None:
    """Serve what the ledger has in production, without a canary; returns the version, None where there is none.

    Raises:
        RolloutRuns: a rollout runs.
        DeploymentNotReady: the version cannot be served.
    """
    now, settings = standing(active_ledger().entries()), active_settings().deployment
    version = now.holder("production")
    if version is None:
        return None
    server = active_deployer().server(version, opened(version, now.digests.get(version)))
    deployment = active_deployment(settings)
    with deployment.claimed():
        reconcile(deployment, Place.of(settings), server, settings.ready_seconds)
    return version
