"""Rehearsing a rollback: what is in production, as its own canary, behind a server that fails on purpose."""

import uuid

from churn.errors import ChurnError
from churn.ledger.standing import standing
from churn.rollout.baseline import Promise
from seldon.gateway.prediction_log import bundle_scores
from seldon.rollout.drive import Rollout
from seldon.rollout.outcome import RolloutOutcome, cost_of
from seldon.rollout.plan import Place, RolloutPlan
from seldon.rollout.watching import watchers
from stacks.deployer import active_deployer
from stacks.environment import active_settings
from steps.plan_rollout import opened
from steps.registry import active_ledger


class NothingToDrill(ChurnError):
    """No version is in production."""


def drill(failing: float) -> RolloutOutcome:
    """Roll a canary out that fails a share of its requests; it changes no stage, so the ledger knows nothing of it.

    Args:
        failing: share of its requests that it answers with 500.

    Raises:
        NothingToDrill: there is no version in production.
        RolloutRuns: a rollout runs.
    """
    settings, now = active_settings(), standing(active_ledger().entries())
    version = now.holder("production")
    if version is None:
        raise NothingToDrill("no version is in production; churn deploy VERSION brings one there")
    bundle, deployer = opened(version, now.digests.get(version)), active_deployer()
    stable = deployer.server(version, bundle)
    deploying = settings.deployment
    customers = tuple(step for step in settings.rollout.steps if step.weight)  # copies would end it before anybody asks
    plan = RolloutPlan(
        rollout=f"drill-{uuid.uuid4()}",
        place=Place.of(deploying),
        candidate=stable.model_copy(update={"drill": failing}),
        approval=0,
        stable=stable,
        strategy="canary",
        promise=Promise(),
        golden=(),
        settings=settings.rollout.model_copy(update={"steps": customers}),
        baseline_hours=deploying.baseline_hours,
        peek_seconds=deploying.peek_seconds,
        smoke_seconds=deploying.smoke_seconds,
        ready_seconds=deploying.ready_seconds,
    )
    deployment = deployer.deployment(plan.place, bundle_scores({stable.digest: deployer.bundle(stable)}))
    rollout = Rollout(
        deployment,
        plan,
        cost=lambda began: cost_of(deployment.requests(began), bundle.manifest.threshold),
        watch=watchers.tell,
        smoke=False,
    )
    with deployment.claimed():
        outcome = rollout.run()
        if outcome.ending == "passed":
            rollout.withdraw("the drill was not noticed")
    return outcome
