"""What a person answered in ZenML, by dashboard, command or REST, and requests that nobody answered in time."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from zenml.client import Client
from zenml.execution.pipeline.dynamic.runner import RunPaused

from churn.ledger.entry import Draft, Entry
from churn.ledger.errors import DecisionRefused
from churn.log import get_logger
from churn.promotion.request import PromotionRequest
from steps.registry import active_ledger

log = get_logger(__name__)

EXPIRED: Final = "expired"


@dataclass(frozen=True)
class Answer:
    """What was answered, by which ZenML user, and when."""

    approved: bool
    by: str
    at: datetime


def answer_to(request: PromotionRequest) -> Answer:
    """Read the answer to a request.

    Raises:
        DecisionRefused: nobody answered, or what was answered is neither yes nor no.
    """
    found = Client().list_run_wait_conditions(pipeline_run=UUID(request.run), name=request.name, hydrate=True).items
    condition = found[0] if found else None
    by, at = (condition.resolved_by_user_id, condition.resolved_at) if condition else (None, None)
    if condition is None or by is None or at is None:
        raise DecisionRefused(f"{request.name}: no person has answered this request; nothing was changed")
    if not isinstance(condition.result, bool):
        raise DecisionRefused(f"{request.name}: the answer must be true or false; nothing was changed, promote again")
    return Answer(approved=condition.result, by=Client().get_user(by).name, at=_utc(at))


@contextmanager
def closed_unless_answered(request: PromotionRequest) -> Iterator[None]:
    """Say that a person must answer; a run that pauses unanswered has its request entered in the ledger as expired."""
    log.warning(
        "approval_needed",
        question=request.question,
        run=request.run,
        answer="on the run's page in the dashboard, or: zenml pipeline runs wait-conditions resolve --interactive",
    )
    try:
        yield
    except RunPaused:
        expire(request)
        raise


def expire(request: PromotionRequest) -> None:
    """Close a request in the ledger, once."""

    def decide(entries: Sequence[Entry]) -> Sequence[Draft]:
        return [] if _is_closed(request, entries) else [request.draft(decision=EXPIRED, actor="churn")]

    active_ledger().record(decide)


def is_expired(request: PromotionRequest) -> bool:
    """Tell whether a request was closed unanswered; a run that is resumed then asks the gate again."""
    return _is_closed(request, active_ledger().entries())


def seconds_left(request: PromotionRequest) -> int:
    """Return for how long a person may still answer; at least one second, in which a late run is paused."""
    return max(1, int((request.expires_at - datetime.now(UTC)).total_seconds()))


def _is_closed(request: PromotionRequest, entries: Sequence[Entry]) -> bool:
    return any(
        entry.decision == EXPIRED
        and (entry.facts.get("run"), entry.facts.get("request")) == (request.run, request.name)
        for entry in entries
    )


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
