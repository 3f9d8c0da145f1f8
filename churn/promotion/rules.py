"""Which promotions the ledger allows."""

from collections.abc import Sequence
from datetime import date

from churn.ledger.entry import Entry, Stage
from churn.ledger.errors import DecisionRefused
from churn.ledger.standing import Standing
from churn.promotion.request import PromotionRequest
from churn.promotion.stage import Target

_BEFORE: dict[Target, Stage] = {"staging": "none", "production": "staging"}


def require_promotable(standing: Standing, version: str, to_stage: Target) -> None:
    """Refuse what is no step forward.

    Raises:
        DecisionRefused: says why, and what can be done.
    """
    stage = standing.stages.get(version)
    if stage is None:
        raise DecisionRefused(
            f"version {version}: the ledger knows no such version; churn versions lists them, and one that was made "
            "before there was a ledger is trained again"
        )
    if stage == to_stage:
        raise DecisionRefused(f"version {version}: it is in {to_stage} already")
    if stage == "archived":
        raise DecisionRefused(f"version {version}: archived; a version does not come back, train a new one")
    if stage != _BEFORE[to_stage]:
        way_out = (
            f"promote it to {_BEFORE[to_stage]} first"
            if stage == "none"
            else "stages only go forward, from none to staging to production"
        )
        raise DecisionRefused(f"version {version}: cannot go from {stage} to {to_stage}; {way_out}")


def incumbent_of(standing: Standing, version: str, to_stage: Target) -> str | None:
    """Return the version to be compared with: the one in production, else the one in the stage asked for."""
    incumbent = standing.holder("production") or standing.holder(to_stage)
    return None if incumbent == version else incumbent


def decided_before(entries: Sequence[Entry], version: str, to_stage: Target, cutoff: date) -> str | None:
    """Return which promotion of another version to this stage used the cutoff already, in words."""
    for entry in entries:
        used = entry.facts.get("cutoff") == cutoff.isoformat()
        if used and entry.decision == "promoted" and entry.stage == to_stage and entry.version != version:
            promoted = f"version {entry.version} to {to_stage}, {entry.at:%Y-%m-%d %H:%M}"
            return f"entry {entry.sequence} of the ledger: {promoted}"
    return None


def require_still_true(request: PromotionRequest, entries: Sequence[Entry], standing: Standing) -> None:
    """Refuse a request whose gate saw another world.

    Raises:
        DecisionRefused: names what came in between.
    """
    require_promotable(standing, request.version, request.to_stage)
    holder = standing.holder(request.to_stage)
    if holder != request.holder:
        by = next(
            entry
            for entry in reversed(entries)
            if entry.phase == "committed" and entry.stage is not None and entry.decision != "approved"
        )
        raise DecisionRefused(
            f"version {request.version}: meanwhile {by.actor} changed {request.to_stage} (entry {by.sequence} of the "
            f"ledger, {by.at:%Y-%m-%d %H:%M} UTC): it holds {_named(holder)}, not {_named(request.holder)}; "
            "run the promotion again, the gate will compare with what stands there now"
        )
    used = decided_before(entries, request.version, request.to_stage, request.cutoff) if request.cutoff else None
    if used:
        raise DecisionRefused(
            f"version {request.version}: its test cutoff {request.cutoff} has decided before ({used}); train again "
            "when a later cutoff is mature"
        )


def _named(version: str | None) -> str:
    return "no version" if version is None else f"version {version}"
