"""The demo's promotion: the best of its models to staging, and a person's approval for production."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

from churn.errors import ChurnError
from cli.promote import AGREED, outcome_of
from cli.zen import run_here

if TYPE_CHECKING:
    from pathlib import Path

    from cli.demo_models import Models

POLL = 0.5
"""Seconds between two looks for a question to answer."""
_ASK_NOBODY_HERE = "ZENML_DISABLE_INTERACTIVE_INPUT"
"""Keeps ZenML from putting its question on the terminal as well."""


@dataclass(frozen=True)
class Promoted:
    """How far the best model came.

    Attributes:
        stopped: why it went no further; none where it may go to production.
        evidence: pages of the evidence, in the order of the stages.
    """

    version: str
    candidate: str
    stopped: str | None
    evidence: "tuple[Path, ...]"


def best_of(models: "Models") -> tuple[str, str]:
    """Return version and name of the candidate with the highest ROC-AUC on the test cutoff."""
    report = models.trained.report.models
    best = max(models.registered.models, key=lambda model: report[model.candidate].metrics["roc_auc"].value or 0.0)
    return best.version, best.candidate


def promote_best(models: "Models", *, ask: bool) -> Promoted:
    """Promote to staging, then have it approved for production, here unless `ask` leaves that to the user.

    What an earlier demo has done stays; a gate that says no ends the way, and is told.
    """
    from churn.ledger.standing import standing
    from pipelines.promotion import promote_model
    from steps.registry import active_ledger

    version, candidate = best_of(models)
    if standing(active_ledger().entries()).stages.get(version) == "archived":
        return Promoted(version, candidate, "an earlier rollout took it back", ())
    stopped, pages = None, []
    for stage in ("staging", "production"):
        if _reached(version, stage):
            continue
        asks = stage == "production"
        try:
            with _answered(version) if asks and not ask else nullcontext():
                run = run_here(lambda to=stage, person=asks: promote_model(version, to, ask=person))  # type: ignore[misc]
        except ChurnError as error:
            stopped = str(error)
            break
        pages += _evidence(run.name)
        if (outcome := outcome_of(run)) not in AGREED:
            stopped = f"the request ended as {outcome}"
            break
    return Promoted(version, candidate, stopped, tuple(pages))


def _reached(version: str, stage: str) -> bool:
    """Tell whether a version is where the demo wants it, or an approval on its way there is still good."""
    from churn.ledger.errors import DecisionRefused
    from churn.ledger.standing import standing
    from churn.promotion.rules import approval_of
    from steps.registry import active_ledger

    entries = active_ledger().entries()
    present = standing(entries).stages.get(version, "none")
    if present == "production" or stage == "staging":
        return present != "none"
    try:
        approval_of(entries, version)
    except DecisionRefused:
        return False
    return True


@contextmanager
def _answered(version: str) -> Iterator[None]:
    """Say yes to what the body asks about a version, as a person would by dashboard or command."""
    done = threading.Event()
    thread = threading.Thread(target=_say_yes, args=(version, done), name="approval", daemon=True)
    thread.start()
    before = os.environ.get(_ASK_NOBODY_HERE)
    os.environ[_ASK_NOBODY_HERE] = "true"
    try:
        yield
    finally:
        os.environ.pop(_ASK_NOBODY_HERE)
        if before is not None:
            os.environ[_ASK_NOBODY_HERE] = before
        done.set()
        thread.join()


def _say_yes(version: str, done: threading.Event) -> None:
    from zenml.client import Client
    from zenml.enums import RunWaitConditionResolution

    while not done.wait(POLL):
        for waiting in Client().list_run_wait_conditions(status="pending", size=200, hydrate=True).items:
            if (waiting.question or "").startswith(f"Promote version {version} to "):
                Client().resolve_run_wait_condition(waiting.id, RunWaitConditionResolution.CONTINUE, result=True)


def _evidence(run: str) -> "list[Path]":
    from pathlib import Path

    from zenml.client import Client

    steps = Client().get_pipeline_run(run).steps
    return [
        Path(page.uri)
        for name, step in steps.items()
        if name.startswith("judge_promotion")
        for page in step.outputs["judgement"][0].visualizations or []
    ]


def print_promoted(promoted: Promoted, say: Callable[[str], None]) -> None:
    """Say where the best model is, or why it went no further."""
    from churn.ledger.standing import standing
    from steps.registry import active_ledger

    stage = standing(active_ledger().entries()).stages.get(promoted.version, "none")
    name = promoted.candidate.replace("_", " ")
    if promoted.stopped is None:
        say(f"version {promoted.version} ({name}) is in {stage}; churn ledger show tells how it came there")
    else:
        say(f"version {promoted.version} ({name}) stays in {stage}: {promoted.stopped}")
