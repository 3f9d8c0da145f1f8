"""The rollout itself, and what the ledger keeps of its end."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

from zenml import get_step_context, log_metadata, step
from zenml.client import Client

from churn.ingestion.alert import Alert
from churn.ledger.changes import change_stage
from churn.ledger.entry import Draft
from churn.ledger.errors import DecisionRefused
from churn.promotion.rules import approval_of
from materializers.rollout import OutcomeMaterializer
from seldon.gateway.prediction_log import bundle_scores
from seldon.rollout.drive import Rollout
from seldon.rollout.outcome import RolloutOutcome
from seldon.rollout.plan import RolloutPlan
from seldon.rollout.watching import watchers
from stacks.alerts import send_alerts
from stacks.deployer import active_deployer
from steps.guard import failing_closed
from steps.held_back import held_back
from steps.registry import active_ledger, active_registry
from steps.rollout_end import cost, end_cut_short, enter_end, facts_of, is_entered


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
        deployment = deployer.deployment(plan.place, bundle_scores({candidate.digest: deployer.bundle(candidate)}))
        rollout = Rollout(deployment, plan, cost=lambda began: cost(deployer, plan, began), watch=watchers.tell)
        with deployment.claimed():
            end_cut_short(deployment, plan.ready_seconds)
            _require_approval(approval_of(active_ledger().entries(), candidate.version).sequence, plan)
            late: list[BaseException] = []
            with _entered_when_cut_short(plan, rollout):
                outcome = rollout.run()
                if outcome.ending == "passed":
                    rollout.finish(lambda: late.extend(_set_production(plan, outcome)))
        if outcome.ending == "passed":
            deployer.show(plan.place, active_registry().model, plan.candidate.version)
            if late:
                raise late[0]
        else:
            enter_end(plan, outcome)
            send_alerts([_alert(plan, outcome)], source=source)
    log_metadata({"ending": outcome.ending, "reason": outcome.reason})
    return outcome


@contextmanager
def _entered_when_cut_short(plan: RolloutPlan, rollout: Rollout) -> Iterator[None]:
    """Enter that the body was ended by an error or Ctrl-C, if its version had come as far as a server."""
    try:
        yield
    except BaseException:
        if rollout.cut_short is not None:
            with held_back():
                enter_end(plan, rollout.cut_short)
        raise


def _set_production(plan: RolloutPlan, outcome: RolloutOutcome) -> Iterator[BaseException]:
    """Enter the version as production; gives what went wrong once the ledger has it, when there is only forward."""
    try:
        deployed = change_stage(
            active_ledger(),
            active_registry(),
            Draft(
                decision="deployed",
                phase="intent",
                actor=Client().active_user.name,
                version=plan.candidate.version,
                stage="production",
                bundle_digest=plan.candidate.digest,
                evidence_digest=outcome.digest,
                facts=facts_of(plan, outcome),
            ),
            lambda entries, now: _require_approval(approval_of(entries, plan.candidate.version).sequence, plan),
        )
        active_registry().note(deployed)
    except BaseException as error:
        with held_back():
            if not is_entered(plan):
                raise
        yield error


def _require_approval(found: int, plan: RolloutPlan) -> None:
    if found != plan.approval:
        raise DecisionRefused(
            f"version {plan.candidate.version}: approved anew by entry {found} since a rollout was planned under "
            f"entry {plan.approval}; deploy it again"
        )


def _alert(plan: RolloutPlan, outcome: RolloutOutcome) -> Alert:
    return Alert(
        kind="rolled_back",
        severity="critical",
        stream=None,
        message=f"version {plan.candidate.version} was taken back from {plan.place}: {outcome.reason}",
        figures={"ending": outcome.ending, **outcome.cost.model_dump()},
    )
