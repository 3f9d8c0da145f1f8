"""The rollout itself, and what the ledger keeps of its end."""

from datetime import datetime
from typing import Annotated

from zenml import get_step_context, log_metadata, step
from zenml.client import Client

from churn.bundle.bundle import open_bundle
from churn.ingestion.alert import Alert
from churn.ledger.changes import change_stage
from churn.ledger.entry import Draft
from churn.ledger.errors import DecisionRefused
from churn.promotion.rules import approval_of
from materializers.rollout import OutcomeMaterializer
from seldon.gateway.prediction_log import bundle_scores
from seldon.rollout.drive import Rollout
from seldon.rollout.outcome import Cost, RolloutOutcome, cost_of
from seldon.rollout.plan import RolloutPlan
from seldon.rollout.watching import watchers
from stacks.alerts import send_alerts
from stacks.deployer import SeldonDeployer, active_deployer
from steps.guard import failing_closed
from steps.registry import active_ledger, active_registry


@step(enable_cache=False, output_materializers={"rollout": OutcomeMaterializer})
def roll_out(plan: RolloutPlan) -> Annotated[RolloutOutcome, "rollout"]:
    """Carry a plan out. `production` is set when all customers are on the new version, and before it is called stable.

    Raises:
        RolloutRuns: another rollout of this deployment runs.
        DecisionRefused: somebody changed production since the plan was made; a canary is taken away.
    """
    source = f"{get_step_context().pipeline_run.name} roll_out"
    with failing_closed(source, "deployment_failed"):
        deployer = active_deployer()
        candidate = plan.candidate
        deployment = deployer.deployment(plan.place, bundle_scores({candidate.digest: candidate.bundle}))
        rollout = Rollout(deployment, plan, cost=lambda began: _cost(deployer, plan, began), watch=watchers.tell)
        with deployment.claimed():
            _require_approval(approval_of(active_ledger().entries(), candidate.version).sequence, plan)
            outcome = rollout.run()
            if outcome.ending == "passed":
                rollout.finish(lambda: _set_production(plan, outcome))
        if outcome.ending == "passed":
            deployer.show(plan.place, active_registry().model, plan.candidate.version)
        else:
            _enter_end(plan, outcome)
            send_alerts([_alert(plan, outcome)], source=source)
    log_metadata({"ending": outcome.ending, "reason": outcome.reason})
    return outcome


def _cost(deployer: SeldonDeployer, plan: RolloutPlan, began: datetime) -> Cost:
    """Score what the canary answered with stable's bundle as well."""
    stable = plan.stable
    if stable is None:
        return Cost()
    scores = bundle_scores({stable.digest: stable.bundle})
    as_stable = deployer.deployment(plan.place, lambda _, features: scores(stable.digest, features))
    threshold = open_bundle(stable.bundle, stable.digest).manifest.threshold
    return cost_of(as_stable.requests(began), threshold)


def _set_production(plan: RolloutPlan, outcome: RolloutOutcome) -> None:
    ledger, registry = active_ledger(), active_registry()
    deployed = change_stage(
        ledger,
        registry,
        Draft(
            decision="deployed",
            phase="intent",
            actor=Client().active_user.name,
            version=plan.candidate.version,
            stage="production",
            bundle_digest=plan.candidate.digest,
            evidence_digest=outcome.digest,
            facts=_facts(plan, outcome),
        ),
        lambda entries, now: _require_approval(approval_of(entries, plan.candidate.version).sequence, plan),
    )
    registry.note(deployed)


def _require_approval(found: int, plan: RolloutPlan) -> None:
    if found != plan.approval:
        raise DecisionRefused(
            f"version {plan.candidate.version}: approved anew by entry {found} since a rollout was planned under "
            f"entry {plan.approval}; deploy it again"
        )


def _enter_end(plan: RolloutPlan, outcome: RolloutOutcome) -> None:
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
        facts=_facts(plan, outcome) | outcome.cost.facts(),
    )
    if proved:
        change_stage(active_ledger(), active_registry(), draft, lambda entries, now: None)
    else:
        active_ledger().record(lambda entries: [draft])


def _facts(plan: RolloutPlan, outcome: RolloutOutcome) -> dict[str, str]:
    return {
        "run": plan.rollout,
        "deployment": str(plan.place),
        "strategy": plan.strategy,
        "replaces": plan.stable.version if plan.stable else "nothing",
        "ending": outcome.ending,
        "reason": outcome.reason,
    }


def _alert(plan: RolloutPlan, outcome: RolloutOutcome) -> Alert:
    return Alert(
        kind="rolled_back",
        severity="critical",
        stream=None,
        message=f"version {plan.candidate.version} was taken back from {plan.place}: {outcome.reason}",
        figures={"ending": outcome.ending, **outcome.cost.model_dump()},
    )
