from datetime import timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from churn.evaluation.bootstrap import Estimate
from churn.monitoring.examination import Examination, ExaminedTest
from churn.monitoring.health import Answers, StreamQuarantine
from churn.monitoring.judge import judge
from churn.monitoring.measurement import Measurement
from churn.monitoring.service import surely_above
from churn.monitoring.settings import MonitoringSettings
from churn.monitoring.verdict import ORDER, FindingName, MonitorVerdict
from tests.watched import SETTINGS, Change, healthy, measured_window, quality, watched


def verdict(found: Measurement, examined: Examination | None = None) -> MonitorVerdict:
    return judge(found, examined or Examination(), SETTINGS)


def same(frame: pl.DataFrame) -> pl.DataFrame:
    return frame


def more(factor: float) -> Change:
    return lambda frame: frame.with_columns(pl.col("amount") * factor)


def higher_scores(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(pl.col("score").sqrt())


def test_where_nothing_speaks_against_the_model_it_is_ok() -> None:
    said = verdict(healthy())

    assert said.decision == "OK", said.reason
    assert said.blamed == ()
    assert said.reason == "nothing speaks against the model"


def test_the_gravest_finding_decides_and_is_the_reason() -> None:
    found = watched([more(3)] * 4, quality=quality({"roc_auc": 0.4}, Estimate(value=-2, low=-3, high=-1)))

    said = verdict(found)

    assert {finding.decision for finding in said.findings} >= {"OK", "RETRAIN", "ROLLBACK"}
    assert said.decision == "ROLLBACK"
    assert said.reason.startswith("a proven loss against version 6")


@pytest.mark.parametrize(
    ("missing", "named"),
    [
        ({"windows": (), "drifts": healthy().drifts}, "windows"),
        ({"data": healthy().data.model_copy(update={"newest_activity": None})}, "freshness"),
        ({"data": healthy().data.model_copy(update={"quarantine": ()})}, "quarantine"),
        ({"quality": quality().model_copy(update={"metrics": None, "left_out": "too few"})}, "outcomes"),
    ],
)
def test_what_is_missing_is_never_ok(missing: dict[str, object], named: FindingName) -> None:
    said = verdict(healthy(**missing))

    assert said.decision == "WATCH"
    assert named in said.blamed


def test_before_the_first_window_the_reason_is_that_alone_unless_something_else_speaks() -> None:
    waiting = verdict(healthy(drifts=healthy().drifts, windows=()))
    late = verdict(
        healthy(drifts=healthy().drifts, windows=(), data=healthy().data.model_copy(update={"newest_activity": None}))
    )

    assert waiting.decision == "WATCH"
    assert waiting.reason.startswith("no window of version")
    assert ";" not in waiting.reason
    assert late.reason.startswith(f"{waiting.reason}; ")


def test_unknown_errors_are_never_ok() -> None:
    assert verdict(watched([same] * 4, answers=None)).blamed == ("errors",)
    assert verdict(watched([same] * 4, answers=Answers(requests=3, failed=0))).blamed == ("errors",)


def test_too_few_customers_are_never_ok() -> None:
    few = tuple(measured_window(number, same, Answers(requests=600, failed=0), rows=40) for number in range(4))
    drifts = tuple(drift.model_copy(update={"tested": 0}) for drift in healthy().drifts)

    assert {"windows", "features", "score"} <= set(verdict(healthy(windows=few, drifts=drifts)).blamed)


def test_old_windows_are_never_ok() -> None:
    found = healthy()

    assert "windows" in verdict(found.model_copy(update={"at": found.at + timedelta(hours=12)})).blamed


def test_drift_that_persists_calls_for_training() -> None:
    said = verdict(watched([more(2)] * 4))

    assert said.decision == "RETRAIN"
    assert "1 of 2 features drifted, which carry 90% of the model: amount" in said.reason


def test_drift_of_one_window_is_watched() -> None:
    said = verdict(watched([same, same, same, more(2)]))

    assert (said.decision, said.blamed) == ("WATCH", ("features",))


def test_drift_that_is_over_is_ok() -> None:
    assert verdict(watched([more(2), same, same, same])).decision == "OK"


def test_drift_of_what_the_model_hardly_uses_is_watched() -> None:
    said = verdict(watched([more(2)] * 4, importance={"amount": 0.01, "plan": 0.99}))

    assert said.decision == "WATCH"


def test_drift_of_the_scores_calls_for_training() -> None:
    said = verdict(watched([higher_scores] * 4))

    assert (said.decision, said.blamed) == ("RETRAIN", ("score",))


@pytest.mark.parametrize(
    "broken", [more(100), lambda frame: frame.with_columns(amount=pl.lit(None, pl.Float64))], ids=["unit", "missing"]
)
def test_a_broken_input_rolls_back_at_once(broken: Change) -> None:
    said = verdict(watched([same, same, same, broken]))

    assert said.decision == "ROLLBACK"
    assert said.reason.startswith("broken inputs: amount is")


@pytest.mark.parametrize(("failed", "decision"), [(0, "OK"), (20, "OK"), (33, "WATCH"), (60, "ROLLBACK")])
def test_errors_roll_back_once_the_limit_is_surely_exceeded(failed: int, decision: str) -> None:
    said = verdict(watched([same] * 4, answers=Answers(requests=600, failed=failed)))

    assert said.finding("errors").decision == decision


@given(st.integers(0, 200), st.integers(200, 2_000))
def test_the_sure_share_lies_below_the_observed_one(failed: int, requests: int) -> None:
    assert 0 <= surely_above(failed, requests) <= failed / requests


def test_slow_answers_fewer_requests_and_old_data_are_watched() -> None:
    slow = watched([same, same, same, lambda frame: frame.head(60).with_columns(pl.col("latency_ms") + 1e3)])
    data = slow.data.model_copy(
        update={
            "newest_activity": slow.at - timedelta(days=3),
            "quarantine": (StreamQuarantine(stream="activity", read=100, quarantined=30),),
        }
    )

    said = verdict(slow.model_copy(update={"data": data}))

    assert said.decision == "WATCH"
    assert {"latency", "volume", "freshness", "quarantine"} <= set(said.blamed)


@pytest.mark.parametrize("worse", [{"roc_auc": 0.4}, {"brier": 0.6}, {"calibration_error": 0.6}])
def test_outcomes_that_are_surely_worse_than_promised_call_for_training(worse: dict[str, float]) -> None:
    said = verdict(healthy(quality=quality(worse)))

    assert (said.decision, said.blamed) == ("RETRAIN", ("outcomes",))


@pytest.mark.parametrize("within", [{"roc_auc": 0.485}, {"roc_auc": 0.7}, {"brier": 0.3}, {"profit_per_customer": 0.3}])
def test_outcomes_within_the_margin_or_better_are_ok(within: dict[str, float]) -> None:
    assert verdict(healthy(quality=quality(within))).decision == "OK"


@pytest.mark.parametrize(("high", "decision"), [(-0.1, "ROLLBACK"), (0.1, "OK")])
def test_only_a_proven_loss_against_the_version_before_rolls_back(high: float, decision: str) -> None:
    said = verdict(healthy(quality=quality(over=Estimate(value=-1, low=-2, high=high))))

    assert said.finding("previous").decision == decision


def examined(**status: str) -> Examination:
    tests = tuple(
        ExaminedTest(name=name, status=said, says=said, decides=name != "column") for name, said in status.items()
    )
    return Examination(at=healthy().at, customers=500, tests=len(tests), told=tests)


@pytest.mark.parametrize(
    ("said", "decision"),
    [
        (examined(share="SUCCESS", accuracy="SUCCESS"), "OK"),
        (examined(share="SUCCESS", column="FAIL"), "OK"),
        (examined(share="FAIL"), "WATCH"),
        (examined(share="ERROR"), "WATCH"),
        (examined(), "WATCH"),
    ],
)
def test_what_evidently_said_is_part_of_the_verdict(said: Examination, decision: str) -> None:
    assert verdict(healthy(), said).decision == decision


def test_a_verdict_names_its_evidence() -> None:
    one, other = verdict(healthy()), verdict(healthy(version="8"))

    assert len(one.evidence_digest) == 64
    assert one.evidence_digest != other.evidence_digest
    assert one.evidence_digest == verdict(healthy()).evidence_digest


def test_the_decisions_have_an_order() -> None:
    assert ORDER == ("OK", "WATCH", "RETRAIN", "ROLLBACK")


def test_windows_that_do_not_make_whole_days_are_refused() -> None:
    with pytest.raises(ValueError, match="take a divisor of 24"):
        MonitoringSettings(window_hours=5)
