from datetime import timedelta

import polars as pl
import pytest

from churn.monitoring.examination import Examination, Sides, examine, is_due
from churn.monitoring.settings import ExaminationSettings
from tests.watched import CATALOGUE, START, customers

SETTINGS = ExaminationSettings()
BEFORE = Examination(at=START, window_end=START, tests=1)


@pytest.mark.parametrize(
    ("last", "hours", "alarmed", "changes", "due"),
    [
        (None, 6, False, {}, True),
        (None, 6, False, {"hours": None}, False),
        (None, 6, True, {"hours": None}, True),
        (None, 6, True, {"hours": None, "on_alarm": False}, False),
        (BEFORE, 6, False, {}, False),
        (BEFORE, 24, False, {}, True),
        (BEFORE, 24, False, {"hours": None}, False),
        (BEFORE, 6, True, {}, True),
        (BEFORE, 0, True, {}, False),
    ],
    ids=["first", "never", "alarm", "switched off", "recent", "daily", "only on alarm", "new window", "same window"],
)
def test_it_is_examined_daily_and_on_alarm_once_a_window(
    last: Examination | None, hours: int, alarmed: bool, changes: dict[str, object], due: bool
) -> None:
    at, settings = START + timedelta(hours=hours), SETTINGS.model_copy(update=changes)

    assert (is_due(last, alarmed=alarmed, window_end=at, at=at, settings=settings) is None) is due


def test_without_a_window_there_is_nothing_to_examine() -> None:
    assert is_due(None, alarmed=True, window_end=None, at=START, settings=SETTINGS) == "no window is complete yet"


def answered(frame: pl.DataFrame, turned: bool = False) -> pl.DataFrame:
    left = pl.col("score") > 0.3
    return frame.with_columns(churned=~left if turned else left, predicted=pl.col("score") >= 0.3)


@pytest.mark.slow
def test_evidently_finds_nothing_in_the_same_customers() -> None:
    frame, reference = customers(800, 1), customers(3_000, 0)

    found = examine(
        Sides(frame, reference),
        Sides(answered(frame), answered(reference)),
        CATALOGUE,
        at=START,
        window_end=START,
        settings=SETTINGS,
    )

    assert found.examination.deciding == ()
    assert found.examination.tests > 10
    assert {test.name.split()[0] for test in found.examination.told if test.decides} == {
        "Share",
        "Accuracy",
        "RocAuc",
        "LogLoss",
    }
    assert min(len(found.drift_page), len(found.classification_page)) > 100_000


@pytest.mark.slow
def test_evidently_finds_drift_and_wrong_answers() -> None:
    frame, reference = customers(800, 1).with_columns(pl.col("amount") * 3, pl.col("score") / 2), customers(3_000, 0)

    found = examine(
        Sides(frame, reference),
        Sides(answered(frame, turned=True), answered(reference)),
        CATALOGUE,
        at=START,
        window_end=START,
        settings=SETTINGS,
    ).examination

    assert {test.name.split()[0] for test in found.deciding} == {"Share", "Accuracy", "RocAuc", "LogLoss"}
    assert "Value Drift for column amount" in {test.name for test in found.shown}


@pytest.mark.slow
def test_a_column_without_a_value_is_left_out_and_the_rest_is_examined() -> None:
    frame = customers(500, 1).with_columns(amount=pl.lit(None, pl.Float64), plan=pl.lit(None, pl.String))

    found = examine(
        Sides(frame, customers(2_000, 0)), None, CATALOGUE, at=START, window_end=START, settings=SETTINGS
    ).examination

    assert "Value Drift for column plan" in {test.name for test in found.shown}
    assert found.why_not is not None


@pytest.mark.slow
def test_what_evidently_cannot_do_speaks_against_the_model() -> None:
    reference = customers(500, 0)

    found = examine(
        Sides(reference.head(0), reference), None, CATALOGUE, at=START, window_end=START, settings=SETTINGS
    ).examination

    assert found.deciding or found.shown
