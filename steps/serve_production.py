"""The deployment of the active stack follows the ledger, like ZenML and MLflow."""

from churn.ledger.standing import standing
from seldon.rollout.reconcile import out_of_line, reconcile
from stacks.deployer import NoDeployer, active_deployer, active_deployment
from stacks.environment import active_settings
from steps.plan_rollout import opened
from steps.registry import active_ledger, active_registry
from steps.rollout_end import end_cut_short


def unserved() -> tuple[str, ...]:
    """Say where the deployment does not serve what the ledger has in production; nothing without a deployer."""
    try:
        place, deployment = active_deployment()
    except NoDeployer:
        return ()
    now = standing(active_ledger().entries())
    version = now.holder("production")
    return out_of_line(deployment, place, version, now.digests.get(version) if version else None)


def serve_production() -> str | None:
    """Serve what the ledger has in production and nothing else; where that is nothing, stop.

    Returns:
        The version.

    Raises:
        RolloutRuns: a rollout of this deployment runs.
        BundleInvalid: the version's bundle is missing, or another one.
        DeploymentNotReady: the version cannot be served.
    """
    place, deployment = active_deployment()
    with deployment.claimed():
        end_cut_short(deployment, active_settings().deployment.ready_seconds)
        now = standing(active_ledger().entries())
        version = now.holder("production")
        if version is None:
            deployment.stop()
            return None
        server = active_deployer().server(version, opened(version, now.digests.get(version)))
        reconcile(deployment, place, server, active_settings().deployment.ready_seconds)
        active_deployer().show(place, active_registry().model, version)
    return version
