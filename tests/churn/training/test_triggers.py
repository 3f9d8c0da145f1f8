from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from churn.features.settings import FeatureSettings
from churn.ledger.entry import Draft
from churn.ledger.ledger import Ledger
from churn.training.settings import TriggerSettings
from churn.training.triggers import Known, decide, look
from tests.world import START, make_event, world_in

NOW = datetime(2026, 3, 10, tzinfo=UTC)
DEFAULTS = TriggerSettings()
DAY = timedelta(days=1)


def known(**changes: object) -> Known:
    """An hour after a training, with nothing new."""
    facts = {"trained_at": NOW - timedelta(hours=1), "trained_on": 7, "activity": 7, "new_labels": 0}
    return Known.model_validate({**facts, "called_at": None, "because": None, **changes})


def test_a_first_model_is_needed() -> None:
    need = decide(known(trained_at=None, trained_on=None), DEFAULTS, NOW)

    assert need.decision == "train"
    assert need.reasons == ("no training has registered a model yet",)


def test_nothing_new_is_no_reason_and_every_trigger_says_so() -> None:
    need = decide(known(), DEFAULTS, NOW)

    assert need.decision == "wait"
    assert [reason.split(",")[0] for reason in need.reasons] == [
        "the last training is 1 h old",
        "0 customers have a new outcome",
        "no drift was recorded since",
    ]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"trained_at": NOW - DAY, "activity": 8}, "the last training is 24 h old, 24 h are allowed"),
        ({"new_labels": 10_000}, "10,000 customers have a new outcome, 10,000 are enough"),
        (
            {"called_at": NOW, "because": "the score drifted"},
            "retraining was called for at 2026-03-10 00:00 UTC: the score drifted",
        ),
    ],
)
def test_each_trigger_alone_is_enough(changes: dict[str, object], reason: str) -> None:
    need = decide(known(**changes), DEFAULTS, NOW)

    assert need.decision == "train"
    assert need.reasons == (reason,)


def test_an_old_model_is_not_trained_again_on_the_same_rows() -> None:
    need = decide(known(trained_at=NOW - 30 * DAY), DEFAULTS, NOW)

    assert need.decision == "wait"
    assert "nothing was ingested since" in need.reasons[0]


@pytest.mark.parametrize(
    ("off", "changes"),
    [
        ({"every_hours": None}, {"trained_at": NOW - 30 * DAY, "activity": 8}),
        ({"min_new_labels": None}, {"new_labels": 10**9}),
        ({"on_drift": False}, {"called_at": NOW, "because": "drift"}),
    ],
)
def test_a_trigger_that_is_off_is_no_reason(off: dict[str, object], changes: dict[str, object]) -> None:
    assert decide(known(**changes), TriggerSettings.model_validate(off), NOW).decision == "wait"


def test_lake_and_ledger_tell_what_is_new(tmp_path: Path, project_root: Path) -> None:
    world = world_in(tmp_path)
    for day in range(40):
        world.upload([make_event(day, event_time=(START + day * DAY).isoformat())], hour=START + day * DAY)
    world.ingest(START + 40 * DAY, backfill=True)
    settings = FeatureSettings(horizon_days=5, allowed_lateness_days=0, min_history_days=5, active_days=10)
    ledger = Ledger(world.lake, lambda: START + 40 * DAY)

    def see() -> Known:
        return look(
            world.lake, ledger.entries(), settings, dbt_dir=project_root / "dbt", now=datetime(2100, 1, 1, tzinfo=UTC)
        )

    assert see().trained_at is None
    first = see()
    judged = date.fromisoformat((START + 20 * DAY).date().isoformat())
    facts = {"cutoff": judged.isoformat(), "table activity": "3"}
    ledger.record(lambda entries: [Draft(decision="retrain", actor="monitoring", facts={"why": "long ago"})])
    ledger.record(lambda entries: [Draft(decision="registered", actor="training", version="1", facts=facts)])
    ledger.record(lambda entries: [Draft(decision="registered", phase="intent", actor="training")])

    second = see()

    assert (second.trained_at, second.trained_on) == (START + 40 * DAY, 3)
    assert second.activity == first.activity
    assert second.called_at is None  # the call came before the training
    assert first.new_labels == 0
    assert 0 < second.new_labels < 20

    ledger.record(lambda entries: [Draft(decision="retrain", actor="monitoring", facts={"why": "the score drifted"})])
    assert see().because == "the score drifted"
