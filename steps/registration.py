"""Registrations as the ledger has them: begun, finished, or left behind by a process that died."""

import os
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

from churn.bundle.manifest import Lineage
from churn.lake.pins import unpin
from churn.ledger.entry import Draft, Entry
from churn.ledger.errors import DecisionRefused
from churn.ledger.ledger import Ledger
from churn.ledger.standing import standing
from churn.training.trained import RegisteredModel
from stacks.environment import project_clock
from steps.registry import Registry

PATIENCE = timedelta(hours=1)
"""Longest a registration takes; one that is older and unfinished has died, on whatever machine."""

_ACTOR = "training"

Commit = Callable[[Sequence[RegisteredModel], Lineage], tuple[Entry, ...]]


@contextmanager
def registering(ledger: Ledger, run: str) -> Iterator[Commit]:
    """Enter that a run is about to register versions; the body commits them by calling what it is given.

    A body that fails must have taken its versions back: the registration is then entered as undone.
    """
    facts = {"run": run, "process": _process()}
    (begun,) = ledger.record(lambda entries: [Draft(decision="registered", phase="intent", actor=_ACTOR, facts=facts)])

    def commit(models: Sequence[RegisteredModel], lineage: Lineage) -> tuple[Entry, ...]:
        learned = {
            "run": run,
            "cutoff": lineage.cutoffs.test.isoformat(),
            **{f"table {name}": str(table.version) for name, table in sorted(lineage.snapshot.tables.items())},
        }
        drafts = [
            Draft(
                decision="registered",
                actor=_ACTOR,
                change=begun.sequence,
                version=model.version,
                stage="none",
                bundle_digest=model.digest,
                facts={**learned, "candidate": model.candidate},
            )
            for model in models
        ]

        def decide(entries: Sequence[Entry]) -> Sequence[Draft]:
            known = standing(entries).stages
            if twice := [model.version for model in models if model.version in known]:
                raise DecisionRefused(
                    f"version {twice[0]}: the ledger has one of this number, which somebody deleted in ZenML; numbers "
                    "are never given twice, so go on under another model_name in the settings"
                )
            return drafts

        return ledger.record(decide)

    try:
        yield commit
    except BaseException:
        _undone(ledger, begun)
        raise


def discard_abandoned(ledger: Ledger, registry: Registry, lake_url: str) -> tuple[Entry, ...]:
    """Take back what registrations of dead processes left in ZenML, MLflow and the pins, and enter them as undone."""
    done: list[Entry] = []
    for intent in standing(ledger.entries()).unfinished:
        if intent.decision == "registered" and _is_dead(intent):
            for version in registry.discard(intent.facts["run"]):
                unpin(lake_url, pin_holder(registry.model, version), project_clock().now())
            done += _undone(ledger, intent)
    return tuple(done)


def pin_holder(model: str, version: str) -> str:
    """Return the name under which a version pins its tables."""
    return f"{model} {version}"


def _undone(ledger: Ledger, begun: Entry) -> tuple[Entry, ...]:
    draft = Draft(decision="registered", phase="undone", actor=_ACTOR, change=begun.sequence, facts=begun.facts)
    return ledger.record(lambda entries: [draft] if begun in standing(entries).unfinished else [])


def _process() -> str:
    return f"{os.getpid()} on {socket.gethostname()}"


def _is_dead(intent: Entry) -> bool:
    if project_clock().now() - intent.at > PATIENCE:
        return True
    pid, _, host = intent.facts["process"].partition(" on ")
    if host != socket.gethostname():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    return False
