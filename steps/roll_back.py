"""Going back to a version that was in production, past every gate: it was good enough before."""

from collections.abc import Mapping

from zenml.client import Client

from churn.ledger.changes import change_stage
from churn.ledger.entry import Draft
from churn.ledger.errors import DecisionRefused
from churn.ledger.standing import last_healthy, standing, were_live
from seldon.deployment import Deployment, RolloutRuns
from seldon.rollout.plan import Place
from seldon.rollout.reconcile import reconcile
from stacks.deployer import active_deployer, active_deployment
from stacks.environment import active_settings
from steps.plan_rollout import opened
from steps.registry import active_ledger, active_registry
from steps.rollout_end import end_cut_short


def roll_back(to: str | None) -> str:
    """Serve a former version again and enter it; where none is named and there is a canary, only that goes.

    So it is while a rollout runs, and after one that was killed.

    Args:
        to: the version; the last healthy one when not given.

    Returns:
        What was done, in words.

    Raises:
        DecisionRefused: there is no such version, or it never was in production.
        RolloutRuns: a version is named while a rollout runs.
        ChurnError: the version cannot be served; what serves goes on.
    """
    place, deployment = active_deployment()
    patience = active_settings().deployment.ready_seconds
    try:
        with deployment.claimed():
            ended = end_cut_short(deployment, patience)
            if ended is not None and to is None:
                return ended
            return _to_former(deployment, place, to, patience, Client().active_user.name, {}, None)
    except RolloutRuns:
        if to is not None:
            raise
        return _end_rollout(deployment, patience)


def roll_back_because(to: str, *, why: str, evidence_digest: str) -> str:
    """Serve a former version again by the platform's own decision; a rollout that runs is left alone.

    Args:
        to: the version.
        why: what spoke against the present one.
        evidence_digest: SHA-256 of the evidence.

    Raises:
        DecisionRefused: as `roll_back`.
        RolloutRuns: a rollout runs.
        ChurnError: the version cannot be served; what serves goes on.
    """
    place, deployment = active_deployment()
    with deployment.claimed():
        timeout = active_settings().deployment.ready_seconds
        end_cut_short(deployment, timeout)
        return _to_former(deployment, place, to, timeout, "churn", {"why": why}, evidence_digest)


def _to_former(
    deployment: Deployment,
    place: Place,
    to: str | None,
    timeout: float,
    actor: str,
    facts: Mapping[str, str],
    evidence_digest: str | None,
) -> str:
    entries = active_ledger().entries()
    now = standing(entries)
    target = to or last_healthy(entries)
    if target is None:
        raise DecisionRefused("there is no earlier healthy version to go back to; name one: churn rollback --to V")
    if target not in were_live(entries) or now.stages.get(target) != "archived":
        raise DecisionRefused(
            f"version {target}: was not in production before, so there is no way back to it; churn ledger show tells "
            "which were"
        )
    bundle = opened(target, now.digests.get(target))
    left = now.holder("production")
    reconcile(deployment, place, active_deployer().server(target, bundle), timeout)
    entered = change_stage(
        active_ledger(),
        active_registry(),
        Draft(
            decision="rolled_back",
            phase="intent",
            actor=actor,
            version=target,
            stage="production",
            bundle_digest=bundle.digest,
            evidence_digest=evidence_digest,
            facts={"deployment": str(place), "replaces": left or "nothing", **facts},
        ),
        lambda entries, now: None,
    )
    active_registry().note(entered)
    active_deployer().show(place, active_registry().model, target)
    return f"version {target} is in production again, instead of {f'version {left}' if left else 'none'}"


def _end_rollout(deployment: Deployment, timeout: float) -> str:
    desired = deployment.desired()
    if desired is None or desired.canary is None:
        return "a rollout runs, but has no canary yet; it can be stopped with Ctrl-C where it runs"
    change = {"generation": desired.generation + 1, "canary": None, "canary_weight": 0, "mirror": False}
    deployment.apply(type(desired).model_validate(desired.model_dump() | change), timeout=timeout)
    return f"the canary, version {desired.canary.version}, is gone; its rollout ends"
