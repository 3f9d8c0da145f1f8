"""Which promotions and deployments the ledger allows."""

from collections.abc import Sequence
from datetime import date

from churn.ledger.entry import Entry, Stage
from churn.ledger.errors import DecisionRefused
from churn.ledger.standing import Standing, standing
from churn.promotion.request import NOTHING, PromotionRequest
from churn.promotion.stage import Target

_BEFORE: dict[Target, Stage] = {"staging": "none", "production": "staging"}


def require_promotable(now: Standing, version: str, to_stage: Target) -> None:
    """Refuse what is no step forward.

    Raises:
        DecisionRefused: says why, and what can be done.
    """
    stage = now.stages.get(version)
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


def incumbent_of(now: Standing, version: str, to_stage: Target) -> str | None:
    """Return the version to be compared with: the one in production, else the one in the stage asked for."""
    incumbent = now.holder("production") or now.holder(to_stage)
    return None if incumbent == version else incumbent


def decided_before(entries: Sequence[Entry], version: str, to_stage: Target, cutoff: date) -> str | None:
    """Return which promotion of another version to this stage used the cutoff already, in words."""
    for entry in entries:
        used = entry.facts.get("cutoff") == cutoff.isoformat() and entry.decision in ("approved", "promoted")
        if used and entry.stage == to_stage and entry.version != version:
            decided = f"version {entry.version} to {to_stage}, {entry.at:%Y-%m-%d %H:%M}"
            return f"entry {entry.sequence} of the ledger: {decided}"
    return None


def require_still_true(request: PromotionRequest, entries: Sequence[Entry], now: Standing) -> None:
    """Refuse a request whose gate saw another world.

    Raises:
        DecisionRefused: names what came in between.
    """
    require_promotable(now, request.version, request.to_stage)
    holder = now.holder(request.to_stage)
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


def approval_of(entries: Sequence[Entry], version: str) -> Entry:
    """Return the approval that lets a version be deployed: the last word on it, given while the same model stood.

    Raises:
        DecisionRefused: there is none, it is used up, or another model went to production since.
    """
    now = standing(entries)
    stage = now.stages.get(version)
    if stage is None:
        raise DecisionRefused(f"version {version}: the ledger knows no such version; churn versions lists them")
    last = _last_word(entries, version)
    promote = f"churn promote {version} --to production"
    if stage == "production":
        raise DecisionRefused(f"version {version}: it is in production already; churn serve status says who answers")
    if stage != "staging" or last is None:
        raise DecisionRefused(f"version {version}: in stage {stage}, not approved for production; {promote}")
    if last.decision != "approved":
        raise DecisionRefused(
            f"version {version}: no approval is left since entry {last.sequence} ({last.decision}, "
            f"{last.at:%Y-%m-%d %H:%M} UTC); ask again: {promote}"
        )
    replaces = last.facts.get("replaces")
    holder = now.holder("production")
    if replaces != (holder or NOTHING):
        raise DecisionRefused(
            f"version {version}: approved against {replaces} in production, where {_named(holder)} is now; the gate "
            f"has to compare again: {promote}"
        )
    return last


def _last_word(entries: Sequence[Entry], version: str) -> Entry | None:
    """Return the newest entry about a version's way to production; the end of a rollout uses up its own approval."""
    about = [
        entry
        for entry in entries
        if entry.version == version and (entry.stage == "production" or entry.decision == "rolled_back")
    ]
    approved = str(max((entry.sequence for entry in about if entry.decision == "approved"), default=0))
    left = [entry for entry in about if entry.facts.get("approval", approved) == approved]
    return left[-1] if left else None


def _named(version: str | None) -> str:
    return "no version" if version is None else f"version {version}"
