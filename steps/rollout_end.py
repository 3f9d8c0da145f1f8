"""What the ledger keeps of a rollout that did not end well, also of one whose process was killed."""

from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from zenml.client import Client

from churn.bundle.bundle import open_bundle
from churn.ledger.changes import change_stage
from churn.ledger.entry import Draft
from churn.ledger.standing import standing
from churn.log import get_logger
from seldon.deployment import Deployment
from seldon.gateway.prediction_log import bundle_scores
from seldon.rollout.outcome import UNKNOWN, Cost, RolloutOutcome, cost_of
from seldon.rollout.plan import RolloutPlan
from seldon.rollout.reconcile import reconcile
from stacks.deployer import SeldonDeployer, active_deployer
from steps.registry import active_ledger, active_registry

log = get_logger(__name__)

_ENDS: Final = ("deployed", "rolled_back")


def end_cut_short(deployment: Deployment, timeout: float) -> str | None:
    """Take away what a rollout that was killed has left, then enter its end; the caller holds the claim.

    One that had entered its own end is left alone, and so is a drill, of which the ledger knows nothing. The canary
    goes first: nothing that is only written down may keep it among customers.

    Returns:
        What was done, in words; None where nothing was left.

    Raises:
        DeploymentNotReady: what was stable cannot be served.
    """
    desired = deployment.desired()
    plan = _plan_of(desired.rollout) if desired and desired.canary and desired.rollout else None
    if desired is None or plan is None or _has_ended(plan):
        return None
    if desired.stable is None:
        deployment.stop()
    else:
        reconcile(deployment, plan.place, desired.stable, timeout)
    began = _utc(Client().get_pipeline_run(plan.rollout).created)
    outcome = RolloutOutcome(
        version=plan.candidate.version,
        replaced=plan.stable.version if plan.stable else None,
        deployment=str(plan.place),
        ending="cut_short",
        reason="the process that rolled it out was killed",
        began=began,
        ended=datetime.now(UTC),
        cost=_known_cost(plan, began),
        verdicts=(),
        history=(),
    )
    enter_end(plan, outcome)
    return f"the canary, version {plan.candidate.version}, was left by a rollout that was killed, and is gone"


def is_entered(plan: RolloutPlan) -> bool:
    """Tell whether the ledger has a rollout's version in production, or will have it: an open intent goes forward."""
    entries = active_ledger().entries()
    open_ones = {entry.sequence for entry in standing(entries).unfinished}
    return any(
        entry.decision == "deployed"
        and entry.facts.get("run") == plan.rollout
        and (entry.phase == "committed" or entry.sequence in open_ones)
        for entry in entries
    )


def enter_end(plan: RolloutPlan, outcome: RolloutOutcome) -> None:
    """Enter that a version was taken back; one that was proved worse is archived, another may be approved again."""
    proved = outcome.ending == "rolled_back"
    draft = Draft(
        decision="rolled_back",
        phase="intent" if proved else "committed",
        actor="churn",
        version=plan.candidate.version,
        stage="archived" if proved else None,
        bundle_digest=plan.candidate.digest,
        evidence_digest=outcome.digest,
        facts=facts_of(plan, outcome) | outcome.cost.facts(),
    )
    if proved:
        change_stage(active_ledger(), active_registry(), draft, lambda entries, now: None)
    else:
        active_ledger().record(lambda entries: [draft])


def facts_of(plan: RolloutPlan, outcome: RolloutOutcome) -> dict[str, str]:
    """Return what the ledger keeps of a rollout, however it ended."""
    return {
        "run": plan.rollout,
        "approval": str(plan.approval),
        "deployment": str(plan.place),
        "strategy": plan.strategy,
        "replaces": plan.stable.version if plan.stable else "nothing",
        "ending": outcome.ending,
        "reason": outcome.reason,
    }


def cost(deployer: SeldonDeployer, plan: RolloutPlan, began: datetime) -> Cost:
    """Score what the canary answered with stable's bundle as well."""
    stable = plan.stable
    if stable is None:
        return Cost()
    folder = deployer.bundle(stable)
    scores = bundle_scores({stable.digest: folder})
    as_stable = deployer.deployment(plan.place, lambda _, features: scores(stable.digest, features))
    threshold = open_bundle(folder, stable.digest).manifest.threshold
    return cost_of(as_stable.requests(began), threshold)


def _has_ended(plan: RolloutPlan) -> bool:
    entries = active_ledger().entries()
    return any(entry.decision in _ENDS and entry.facts.get("run") == plan.rollout for entry in entries)


def _known_cost(plan: RolloutPlan, began: datetime) -> Cost:
    """Return the cost as far as it can be told: logs and bundles may be what the kill has damaged."""
    try:
        return cost(active_deployer(), plan, began)
    except Exception as error:
        log.warning("cost_unknown", rollout=plan.rollout, error=type(error).__name__)
        return UNKNOWN


def _plan_of(rollout: str) -> RolloutPlan | None:
    """Return the plan of a pipeline run; None for what is none, or was deleted."""
    try:
        plan = Client().get_pipeline_run(UUID(rollout)).steps["plan_rollout"].outputs["plan"][0].load()
    except (KeyError, ValueError, OSError) as error:
        log.info("no_plan", rollout=rollout, error=type(error).__name__)
        return None
    return plan if isinstance(plan, RolloutPlan) else None


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
