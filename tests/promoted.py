"""Promotions of the shared trained project, and what answers the questions they ask."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.trained import Trained

if TYPE_CHECKING:
    from zenml.models import PipelineRunResponse, RunWaitConditionResponse

    from churn.ledger.standing import Standing

EASY: Mapping[str, object] = {
    "rounds": 100,
    "max_data_age_days": None,
    "max_snapshot_age_days": 36_500,  # other suites bring newer data into the same lake
    "ask_before": [],
    "min_over_recency": -1,
    "min_roc_auc": 0.5,
}
"""Settings under which a model made of a twentieth of the customers passes as a first one."""


@contextmanager
def fresh_ledger(trained: Trained) -> Iterator[None]:
    """Give the body a ledger in which nothing is decided yet; the one there was comes back afterwards."""
    from churn.ledger.changes import agree
    from steps.registry import active_ledger, active_registry

    ledger = Path(trained.world.lake) / "ledger"
    aside = ledger.with_name(f"ledger-{time.time_ns()}")
    if ledger.exists():
        ledger.rename(aside)
    agree(active_ledger(), active_registry())
    try:
        yield
    finally:
        if ledger.exists():
            ledger.rename(ledger.with_name(f"ledger-{time.time_ns()}"))
        if aside.exists():
            aside.rename(ledger)
        agree(active_ledger(), active_registry())


def put_live(version: str) -> None:
    """Enter in the ledger that a version is in production, as a promotion long ago did."""
    from churn.ledger.entry import Draft
    from steps.registry import active_ledger

    registered = Draft(decision="registered", actor="training", version=version)
    promoted = Draft(decision="promoted", actor="ada", version=version, stage="production")
    active_ledger().record(lambda entries: [registered, promoted])


def stands() -> "Standing":
    """Return what the ledger says now."""
    from churn.ledger.standing import standing
    from steps.registry import active_ledger

    return standing(active_ledger().entries())


def agreed() -> bool:
    """Tell whether ZenML and MLflow agree; versions of a ledger that was put aside are no concern."""
    from churn.ledger.agreement import disagreements
    from steps.registry import active_ledger, active_registry

    found = disagreements(stands(), active_registry().observe(active_ledger()))
    return all("never registered" in line for line in found)


def run(version: str, to_stage: str = "staging", *, ask: bool = False) -> "PipelineRunResponse":
    """Run the promotion pipeline."""
    from zenml.client import Client

    from pipelines.promotion import promote_model

    found = promote_model(version=version, to_stage=to_stage, ask=ask)
    assert found is not None
    return Client().get_pipeline_run(found.id)


def decisions(since: int) -> list[tuple[str, str, str | None, str | None, str]]:
    """Return decision, phase, version, stage and actor of the entries after the first `since`."""
    from steps.registry import active_ledger

    return [
        (entry.decision, entry.phase, entry.version, entry.stage, entry.actor)
        for entry in active_ledger().entries()[since:]
    ]


@contextmanager
def answering(answer: "Callable[[RunWaitConditionResponse], None]") -> Iterator[None]:
    """Do this, in another thread, with the first question that the body asks; what goes wrong there fails the test."""
    from zenml.client import Client

    failed: list[BaseException] = []

    def look() -> None:
        try:
            for _ in range(1200):
                waiting = Client().list_run_wait_conditions(status="pending", hydrate=True).items
                if waiting:
                    answer(waiting[0])
                    return
                time.sleep(0.1)
            raise AssertionError("nothing was asked")
        except BaseException as error:
            failed.append(error)
            for left in Client().list_run_wait_conditions(status="pending").items:
                Client().resolve_run_wait_condition(left.id, result=False)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield
    finally:
        thread.join()
    if failed:
        raise failed[0]
