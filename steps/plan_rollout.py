"""From an approval to the plan of a rollout: what is served, how it is judged, what it promised."""

from typing import Annotated

from zenml import get_step_context, log_metadata, step

from churn.bundle.bundle import Bundle
from churn.bundle.errors import BundleInvalid
from churn.ledger.standing import standing
from churn.promotion.lake_data import LakeData
from churn.promotion.rules import approval_of
from churn.rollout.baseline import Promise, promise_of
from materializers.rollout import PlanMaterializer
from seldon.rollout.plan import Place, RolloutPlan
from stacks.deployer import active_deployer
from stacks.environment import active_settings
from steps.guard import failing_closed
from steps.in_production import bundle_of
from steps.registry import active_ledger, active_registry


@step(enable_cache=False, output_materializers={"plan": PlanMaterializer})
def plan_rollout(version: str) -> Annotated[RolloutPlan, "plan"]:
    """Plan how an approved version takes over.

    Raises:
        DecisionRefused: nobody approved it, or another version went to production since.
        BundleInvalid: a bundle is missing, or is not the one that was approved.
    """
    run = get_step_context().pipeline_run
    with failing_closed(f"{run.name} plan_rollout", "deployment_failed"):
        settings, entries = active_settings(), active_ledger().entries()
        approval, now = approval_of(entries, version), standing(entries)
        candidate = opened(version, approval.bundle_digest)
        replaces = now.holder("production")
        stable = opened(replaces, now.digests.get(replaces)) if replaces else None
        deployer = active_deployer()
        plan = RolloutPlan(
            rollout=str(run.id),
            place=Place.of(settings.deployment),
            candidate=deployer.server(version, candidate),
            approval=approval.sequence,
            stable=deployer.server(replaces, stable) if replaces and stable else None,
            strategy=settings.deployment.strategy,
            promise=_promise(candidate, stable, LakeData(settings.lake.url)) if stable else Promise(),
            golden=candidate.manifest.golden,
            settings=settings.rollout,
            baseline_hours=settings.deployment.baseline_hours,
            peek_seconds=settings.deployment.peek_seconds,
            smoke_seconds=settings.deployment.smoke_seconds,
            ready_seconds=settings.deployment.ready_seconds,
        )
    log_metadata({"version": version, "replaces": replaces or "nothing", "strategy": plan.strategy})
    return plan


def opened(version: str, digest: str | None) -> Bundle:
    """Open the bundle of a version, which must be the one the ledger names.

    Raises:
        BundleInvalid: it is missing, altered, or another one.
    """
    bundle = bundle_of(active_registry().version(version))
    if bundle.digest != digest:
        raise BundleInvalid(f"version {version}: its artifact is not the bundle that the ledger names; restore it")
    return bundle


def _promise(candidate: Bundle, stable: Bundle, data: LakeData) -> Promise:
    """Measure how far the candidate differs from what stands, on the customers who are nearest to those it will meet.

    No outcome of theirs is known, and none is needed; on the older ones of the test cutoff it may differ otherwise.
    """
    rows = data.newest_customers(candidate.manifest.lineage)
    return promise_of(
        candidate.predict(rows), stable.predict(rows), candidate.manifest.threshold, stable.manifest.threshold
    )
