"""Which cutoffs are built, who counts as a customer at one, and what counts as leaving."""

import hashlib
import json
from typing import Annotated

from pydantic import AfterValidator, Field

from churn.frozen import Frozen

_COST = ("threads", "memory")
_MOST_DAYS = 36_500
"""A century; much more would leave the calendar."""


def _plain(codes: tuple[str, ...]) -> tuple[str, ...]:
    faulty = [code for code in codes if not code or "'" in code or "\\" in code or not code.isprintable()]
    if faulty:
        raise ValueError(f"{faulty[0]!r} is no code: quotes and backslashes cannot stand in SQL")
    return codes


Codes = Annotated[tuple[str, ...], AfterValidator(_plain)]


class EventTypes(Frozen):
    """Which event types of the source are counted one by one, by what they mean."""

    purchase: Codes = Field(default=("purchase",), description="a purchase; amount and quantity are summed over these")
    returned: Codes = Field(default=("return",), description="something sent back")
    click: Codes = Field(default=("click",), description="a click or a page view")
    login: Codes = Field(default=("login",), description="a login")


class FeatureSettings(Frozen):
    """The feature table; every duration is in days."""

    horizon_days: int = Field(
        default=90, ge=1, le=_MOST_DAYS, description="label window: churned means no activity in so many days"
    )
    active_days: int = Field(
        default=90, ge=1, description="a customer has a row at a cutoff after an event in so many days before it"
    )
    allowed_lateness_days: int = Field(
        default=1,
        ge=0,
        le=_MOST_DAYS,
        description="days after the label window before a label is believed to be complete",
    )
    cutoff_step_days: int = Field(
        default=30, ge=1, le=_MOST_DAYS, description="days from one training cutoff to the next"
    )
    max_train_cutoffs: int = Field(default=6, ge=1, description="most training cutoffs, the newest ones")
    min_history_days: int = Field(
        default=30, ge=1, le=_MOST_DAYS, description="days of data a cutoff must have before it"
    )
    event_types: EventTypes = Field(default_factory=EventTypes, description="event types by what they mean")
    cancellation_events: Codes = Field(
        default=("cancel", "cancellation", "unsubscribe"),
        description="event types that count as churn when they happen inside the horizon",
    )
    cancelled_statuses: Codes = Field(
        default=("cancelled", "canceled", "expired"),
        description="subscription statuses that count as churn when they begin inside the horizon",
    )
    threads: int = Field(default=2, ge=1, description="threads of the query engine; the result does not depend on it")
    memory: str = Field(
        default="1200MB", pattern=r"^[0-9]+[MG]B$", description="memory of the query engine; more goes to disk"
    )

    @property
    def digest(self) -> str:
        """SHA-256 of every setting that a feature row can depend on."""
        document = self.model_dump(mode="json", exclude=set(_COST))
        return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
