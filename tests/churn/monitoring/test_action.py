from collections.abc import Sequence
from datetime import datetime, timedelta

import polars as pl
import pytest

from churn.evaluation.bootstrap import Estimate
from churn.ledger.entry import Draft, Entry
from churn.monitoring.action import Deed, call_for_training, left_to_a_person
from churn.monitoring.examination import Examination
from churn.monitoring.judge import judge
from churn.monitoring.measurement import Measurement
from churn.monitoring.settings import MonitoringSettings
from churn.monitoring.verdict import MonitorVerdict
from tests.watched import SETTINGS, START, healthy, quality, watched


def entries(*drafts: tuple[Draft, datetime]) -> tuple[Entry, ...]:
    added: list[Entry] = []
    for draft, at in drafts:
        added.append(Entry.following(added[-1] if added else None, draft, at))
    return tuple(added)


def registered(version: str, days: float = 20) -> tuple[Draft, datetime]:
    return Draft(decision="registered", actor="training", version=version), START - timedelta(days=days)


def moved(version: str, days: float, **changes: object) -> tuple[Draft, datetime]:
    draft = Draft(decision="deployed", actor="ada", version=version, stage="production")
    return draft.model_copy(update=changes), START - timedelta(days=days)


LIVE = (registered("6"), registered("7"), moved("6", 10), moved("7", 5))
DRIFT = watched([lambda frame: frame.with_columns(pl.col("amount") * 2)] * 4)
BROKEN = watched([lambda frame: frame.with_columns(pl.col("amount") * 100)] * 4)


def said(found: Measurement) -> MonitorVerdict:
    return judge(found, Examination(), SETTINGS)


def left(
    found: Measurement,
    ledger: Sequence[tuple[Draft, datetime]] = LIVE,
    newest: datetime | None = None,
    settings: MonitoringSettings = SETTINGS,
) -> Deed | None:
    return left_to_a_person(said(found), found, entries(*ledger), newest, settings)


def test_what_is_ok_or_to_be_watched_changes_nothing() -> None:
    once = watched([*[lambda frame: frame] * 3, lambda frame: frame.with_columns(pl.col("amount") * 2)])

    for found in (healthy(), once):
        deed = left(found)
        assert deed is not None
        assert deed.kind == "none"


def test_drift_may_call_for_training_and_broken_inputs_for_a_rollback_that_helps() -> None:
    assert left(DRIFT) is None
    assert left(BROKEN.model_copy(update={"former_inputs": ("plan",)})) is None


@pytest.mark.parametrize(
    ("deed", "words"),
    [
        (left(DRIFT, settings=MonitoringSettings(on_retrain="ask")), "on_retrain is ask"),
        (left(BROKEN, settings=MonitoringSettings(on_rollback="ask")), "on_rollback is ask"),
        (left(DRIFT, newest=DRIFT.at + timedelta(hours=1)), "a look back"),
        (left(DRIFT, [*LIVE, registered("8", 1), moved("8", 1)]), "not in production any more"),
        (left(BROKEN.model_copy(update={"former": None})), "no healthy version"),
        (left(BROKEN), "version 6 takes amount as well"),
        (left(BROKEN, [*LIVE, moved("7", -0.5, decision="rolled_back")]), "the last rollback was at"),
    ],
)
def test_what_is_left_to_a_person_says_why(deed: Deed | None, words: str) -> None:
    assert deed is not None
    assert deed.kind == "asked"
    assert words in deed.says


def test_a_loss_alone_is_left_to_a_person_unless_it_may_act() -> None:
    lost = healthy(quality=quality(over=Estimate(value=-1, low=-2, high=-0.1)))
    also_failing = lost.model_copy(update={"windows": BROKEN.windows, "former_inputs": ("plan",)})

    asked = left(lost)

    assert said(lost).decision == "ROLLBACK"
    assert asked is not None
    assert (asked.kind, asked.says) == ("asked", "a loss alone, and monitoring.on_loss is ask")
    assert left(lost, settings=SETTINGS.model_copy(update={"on_loss": "act"})) is None
    assert left(also_failing) is None


def test_training_is_called_for_once_until_the_next_training() -> None:
    verdict = said(DRIFT)
    [call] = call_for_training(entries(*LIVE), verdict)
    called = (*LIVE, (call, START))

    assert call.decision == "retrain"
    assert call.facts["why"] == verdict.reason
    assert call.evidence_digest == verdict.evidence_digest
    assert call_for_training(entries(*called), verdict) == ()
    assert call_for_training(entries(*called, (registered("9")[0], START)), verdict) == (call,)
