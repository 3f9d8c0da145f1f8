"""The version in production as the monitoring sees it: bundle, reference, gateway, and what stood there before."""

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

import polars as pl

from churn.bundle.bundle import Bundle
from churn.errors import ChurnError
from churn.evaluation.metrics import Floats
from churn.ledger.standing import last_healthy, standing
from churn.log import get_logger
from churn.monitoring.health import Answers
from churn.monitoring.measurement import Live
from churn.monitoring.quality import Former
from churn.monitoring.windows import Window
from churn.promotion.lake_data import LakeData
from seldon.rollout.plan import Place
from stacks.deployer import active_deployment
from stacks.environment import active_settings, project_clock
from steps.plan_rollout import opened
from steps.registry import active_ledger

if TYPE_CHECKING:
    from seldon.deployment import Deployment

log = get_logger(__name__)


class NothingLive(ChurnError):
    """No version is in production."""


def live_model(at: datetime) -> Live:
    """Return what was in production at a moment.

    Raises:
        NothingLive: nothing was.
        BundleInvalid: its bundle is missing, or another one.
    """
    entries = [entry for entry in active_ledger().entries() if entry.at <= at]
    now = standing(entries)
    version = now.holder("production")
    if version is None:
        raise NothingLive(f"no version was in production at {at:%Y-%m-%d %H:%M} UTC; churn deploy VERSION brings one")
    moved = [e for e in entries if e.version == version and e.stage == "production" and e.phase == "committed"]
    bundle, former = opened(version, now.digests.get(version)), last_healthy(entries)
    place = Place.of(active_settings().deployment)
    return Live(
        version=version,
        bundle=bundle,
        name=place.deployment,
        place=str(place),
        since=next(e.at for e in reversed(moved) if e.decision != "approved"),
        held_out=_held_out_scores(bundle),
        former=Former(former, lambda: opened(former, now.digests.get(former))) if former else None,
        answers=_gateway(),
    )


def held_out(bundle: Bundle) -> pl.DataFrame | None:
    """Return the rows that the bundle was tested with, with its `score`; None where the lake has lost them."""
    try:
        rows = LakeData(active_settings().lake.url).rows(bundle.manifest.lineage)
    except ChurnError as error:
        log.warning("held_out_rows_missing", reason=str(error))
        return None
    return rows.with_columns(score=pl.Series(bundle.predict(rows)))


def _held_out_scores(bundle: Bundle) -> Floats | None:
    rows = held_out(bundle)
    return None if rows is None or rows.is_empty() else rows["score"].to_numpy()


def _gateway() -> Callable[[Window], Answers | None]:
    if project_clock().behind():  # the gateway dates requests by the machine's clock, windows lie in the project's past
        return lambda window: None
    try:
        deployment: Deployment | None = active_deployment()[1]
    except ChurnError as error:
        log.warning("gateway_cannot_tell", reason=str(error))
        deployment = None

    def answers(window: Window) -> Answers | None:
        if deployment is None:
            return None
        try:
            asked = deployment.requests(window.start)
        except ChurnError as error:
            log.warning("gateway_cannot_tell", reason=str(error))
            return None
        stable = asked.filter(pl.col("at").is_between(*window, closed="left"), ~pl.col("canary"))
        if "refused" in stable.columns:  # what a caller asked wrongly says nothing about the model
            stable = stable.filter(~pl.col("refused"))
        return Answers(requests=stable.height, failed=int(stable["failed"].sum()))

    return answers
