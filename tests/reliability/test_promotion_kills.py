"""Promotions killed anywhere between intent and committed, and two at once."""

import random
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import event
from sqlalchemy.orm import Session
from zenml import log_metadata
from zenml.client import Client
from zenml.metadata.metadata_types import MetadataType

from churn.ledger.agreement import ALIASES, disagreements
from churn.ledger.changes import agree, settle
from churn.ledger.entry import Draft
from churn.ledger.standing import Standing, standing
from churn.promotion.rules import require_promotable
from churn.promotion.stage import Target
from steps.registry import LEDGER_URI_KEY, active_ledger, active_registry
from tests.reliability.killable import KILLED
from tests.reliability.promoter import REFUSED, Promoters, requested
from tests.trained import configure, inside

SEED = 20260301
DIGEST = "d" * 64
STEPS: dict[str, Target] = {"none": "staging", "staging": "production"}


@pytest.fixture
def promoters(tmp_path: Path) -> Iterator[Promoters]:
    """A project of its own on the stack dev."""
    configure(tmp_path, tmp_path.name.replace("_", "-"))  # other suites have versions of the usual one
    with inside(tmp_path):
        yield Promoters(tmp_path)


def register(count: int) -> list[str]:
    """Add versions as a training would, without a model behind them."""
    from mlflow.exceptions import MlflowException

    client, ledger, registry = Client(), active_ledger(), active_registry()
    tracker, model = registry._mlflow, registry.model
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            client.create_model(model)
        except Exception:
            client.get_model(model)
        try:
            tracker.create_registered_model(model)
        except MlflowException:
            tracker.get_registered_model(model)
        numbers = []
        for _ in range(count):
            version = client.create_model_version(model)
            tracked = tracker.create_model_version(model, source="file:///nowhere")
            facts: dict[str, MetadataType] = {
                "bundle_digest": DIGEST,
                "mlflow_version": str(tracked.version),
                LEDGER_URI_KEY: ledger.uri,
            }
            log_metadata(metadata=facts, model_version_id=version.id)
            numbers.append(str(version.number))
    drafts = [Draft(decision="registered", actor="training", version=one, bundle_digest=DIGEST) for one in numbers]
    ledger.record(lambda entries: drafts)
    return numbers


def now() -> Standing:
    return standing(active_ledger().entries())


def repaired() -> None:
    """What `churn repair` does; afterwards nothing may disagree."""
    ledger, registry = active_ledger(), active_registry()
    settle(ledger, registry)
    assert agree(ledger, registry) == set()
    assert disagreements(now(), registry.observe(ledger)) == ()
    assert ledger.faults() == (len(ledger.entries()), ())


def kill_again_and_again(promoters: Promoters, kills: int) -> list[int]:
    chance = random.Random(SEED)
    codes: list[int] = []
    while codes.count(KILLED) < kills:
        before = now()
        ready = [version for version, stage in before.stages.items() if stage in STEPS] or register(6)
        version = chance.choice(ready)
        stage = STEPS[now().stages[version]]
        require_promotable(now(), version, stage)
        request = requested(version, stage, before.holder(stage))
        codes.append(promoters.finish(promoters.start(request, crash_at=chance.randrange(16))))
        # What the one before left open is finished first, and may leave nothing of what this one asks for.
        expected = (0, KILLED, REFUSED) if before.unfinished else (0, KILLED)
        assert codes[-1] in expected, (promoters.folder / "log").read_text()[-2000:]
        if chance.random() < 0.5:  # otherwise the next promotion finds what this one left
            repaired()
            if not before.unfinished:
                assert now().stages[version] in (stage, before.stages.get(version, "none"))
    repaired()
    return codes


def test_killed_between_intent_and_committed(promoters: Promoters) -> None:
    codes = kill_again_and_again(promoters, kills=2)

    assert codes.count(KILLED) == 2


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_hundred_kills_leave_no_disagreement(promoters: Promoters) -> None:
    codes = kill_again_and_again(promoters, kills=100)

    assert codes.count(KILLED) == 100
    assert codes.count(0) > 5


def test_of_two_promotions_at_once_one_wins_and_the_other_is_told(promoters: Promoters) -> None:
    first, second = register(2)
    barrier = promoters.context.Barrier(2)

    children = [promoters.start(requested(version, "staging", None), barrier=barrier) for version in (first, second)]
    codes = {version: promoters.finish(child) for version, child in zip((first, second), children, strict=True)}

    assert sorted(codes.values()) == [0, REFUSED]
    winner = now().holder("staging")
    assert winner is not None
    assert codes[winner] == 0
    (loser,) = {first, second} - {winner}
    told = (promoters.folder / f"refused-{loser}").read_text()
    assert f"it holds version {winner}, not no version" in told
    assert "run the promotion again" in told
    repaired()


def test_an_alias_that_another_process_gives_in_the_same_moment(promoters: Promoters) -> None:
    from mlflow import MlflowClient
    from mlflow.store.model_registry.dbmodels.models import SqlRegisteredModelAlias

    (version,) = register(1)
    registry = active_registry()
    raced: list[str] = []

    def another_is_faster(session: Session, *_: object) -> None:
        # MLflow has looked whether the alias is there, and is about to add it.
        for alias in session.new:
            if isinstance(alias, SqlRegisteredModelAlias) and not raced:
                raced.append(str(alias.version))
                MlflowClient().set_registered_model_alias(registry.model, str(alias.alias), str(alias.version))

    event.listen(Session, "before_flush", another_is_faster)
    try:
        gone = registry.follow(now().model_copy(update={"stages": {version: "staging"}}))
    finally:
        event.remove(Session, "before_flush", another_is_faster)

    assert raced
    assert gone == set()
    assert registry.observe(active_ledger()).aliases == {ALIASES["staging"]: version}
