"""From a verdict, and a person's answer where one is asked for, to a change of stage or to leave for a rollout."""

from collections.abc import Sequence
from typing import Annotated

from zenml import get_step_context, log_metadata, step
from zenml.client import Client

from churn.ledger.changes import change_stage as change
from churn.ledger.entry import Draft, Entry
from churn.ledger.errors import DecisionRefused
from churn.ledger.standing import standing
from churn.promotion.request import PromotionRequest
from churn.promotion.rules import require_still_true
from stacks.environment import project_clock
from steps.approval import EXPIRED, answer_to, expire
from steps.guard import failing_closed
from steps.registry import active_ledger, active_registry


@step(enable_cache=False)
def change_stage(request: PromotionRequest) -> Annotated[str, "outcome"]:
    """Carry the request out, or close it: returns `promoted`, `approved`, `rejected` or `expired`.

    A version that may go to production is `approved`: it stays in staging until a rollout has ended well.

    Raises:
        DecisionRefused: the gate rejected the version, or what it compared with is no longer there.
    """
    with failing_closed(f"{get_step_context().pipeline_run.name} change_stage", "promotion_failed"):
        outcome = _carried_out(request)
    log_metadata({"outcome": outcome})
    return outcome


def _carried_out(request: PromotionRequest) -> str:
    if request.verdict.decision != "PROMOTE":
        raise DecisionRefused(f"{request.verdict.reason} Its evidence is an artifact of this run")
    ledger, registry = active_ledger(), active_registry()
    actor = Client().active_user.name
    if request.asks:
        answer = answer_to(request)
        if answer.at > request.expires_at:
            expire(request)
            return EXPIRED
        actor = answer.by
        if not answer.approved:
            ledger.record(lambda entries: [request.draft(decision="rejected", actor=actor)])
            return "rejected"
    if request.asks or request.to_stage == "production":
        ledger.record(lambda entries: [_approval(request, actor, entries)])
    if request.to_stage == "production":
        return "approved"
    promoted = change(
        ledger,
        registry,
        request.draft(decision="promoted", phase="intent", actor=actor),
        lambda entries, now: require_still_true(request, entries, now),
    )
    registry.note(promoted)
    log_metadata({"ledger_entry": promoted.sequence, "changed_at": project_clock().now().isoformat(timespec="seconds")})
    return promoted.decision


def _approval(request: PromotionRequest, actor: str, entries: Sequence[Entry]) -> Draft:
    require_still_true(request, entries, standing(entries))
    return request.draft(decision="approved", actor=actor)
