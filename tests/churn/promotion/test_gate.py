from datetime import timedelta
from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from churn.evaluation.bootstrap import Estimate
from churn.promotion.evidence import Evidence
from churn.promotion.gate import judge
from churn.promotion.settings import PromotionSettings
from churn.promotion.verdict import CheckName
from tests.evidence import CUTOFF, changed, difference, leaves

LIMITS = PromotionSettings()
WORSE = {
    "candidate.facts.parity.largest_difference": 1,
    "comparison.candidate.roc_auc.low": -1,
    "comparison.over_incumbent.roc_auc.low": -1,
    "comparison.over_incumbent.brier.high": 1,
    "comparison.over_incumbent.profit_per_customer.ahead": -1,
    "comparison.baselines.over_recency.low": -1,
    "comparison.baselines.over_base_rate.high": 1,
    "comparison.segments.0.over_incumbent.roc_auc.low": -1,
    "comparison.segments.2.over_incumbent.brier.high": 1,
}
"""Figures that are judged, and the side on which they are worse."""


def failures(evidence: Evidence, settings: PromotionSettings = LIMITS) -> set[CheckName]:
    verdict = judge(evidence, settings)
    failed = {check.name for check in verdict.checks if not check.passed}
    assert (verdict.decision == "REJECT") == bool(failed)
    return failed


def test_a_better_model_is_promoted_with_every_check_in_the_verdict(good: Evidence) -> None:
    verdict = judge(good, LIMITS)

    assert verdict.decision == "PROMOTE"
    assert verdict.reason == (
        "Version 8 may go to production: it earns 0.050 more per customer than version 5 and is worse in nothing that "
        "is judged."
    )
    assert verdict.evidence_digest == good.digest
    assert [check.name for check in verdict.checks] == [
        *("readable", "complete", "another_model", "held_out", "undecided"),
        *("parity", "enough_customers", "roc_auc_floor", "over_recency", "over_base_rate"),
        *("roc_auc", "brier", "profit", "segments_roc_auc", "segments_brier", "fresh_snapshot", "fresh_data"),
    ]


def test_a_first_model_needs_floors_and_baselines_only(first: Evidence) -> None:
    verdict = judge(first, LIMITS)

    assert verdict.decision == "PROMOTE"
    assert "no model stands there yet" in verdict.reason
    assert not {"roc_auc", "brier", "profit"} & {check.name for check in verdict.checks}


@pytest.mark.parametrize(
    ("path", "value", "failed", "reason"),
    [
        ("faults", ("version 8: bundle is gone",), "readable", "version 8: bundle is gone"),
        ("comparison.sample.rounds", 20, "readable", "gathered under another promotion.rounds"),
        ("candidate.digest", "cd" * 32, "another_model", "it is the very model that stands at production as version 5"),
        ("candidate.version", "5", "another_model", "it is the very model"),
        (
            "incumbent.facts.last_label",
            CUTOFF + timedelta(days=1),
            "held_out",
            "version 5 has learned from labels after the test cutoff",
        ),
        ("candidate.facts.last_label", CUTOFF + timedelta(days=1), "held_out", "version 8 has learned from labels"),
        ("comparison.sample.cutoff", CUTOFF + timedelta(days=30), "held_out", "nobody can tell"),
        ("decided", "version 7 was promoted", "undecided", "has decided before (version 7 was promoted)"),
        (
            "candidate.facts.parity.largest_difference",
            2e-5,
            "parity",
            "of the ONNX model and the fitted pipeline is 2.0e−05, and at most 1.0e−05 is allowed",
        ),
        ("comparison.sample.churned", 29, "enough_customers", "number of customers who churned is 29, and at least 30"),
        ("comparison.sample.churned", 2_971, "enough_customers", "number of customers who stayed is 29"),
        (
            "comparison.candidate.roc_auc.low",
            0.599,
            "roc_auc_floor",
            "lower end of ROC-AUC is 0.599, and at least 0.600 is needed",
        ),
        ("comparison.baselines.over_recency.low", -0.001, "over_recency", "over sorting by recency is −0.001"),
        ("comparison.baselines.over_base_rate.high", 0.001, "over_base_rate", "over that of a constant is +0.0010"),
        ("comparison.over_incumbent.roc_auc.low", -0.011, "roc_auc", "ROC-AUC over version 5 is −0.0110"),
        ("comparison.over_incumbent.brier.high", 0.0051, "brier", "Brier score over version 5 is +0.0051"),
        ("comparison.over_incumbent.profit_per_customer.ahead", 0.89, "profit", "is 89.0%, and at least 90.0%"),
        (
            "comparison.segments.1.over_incumbent.roc_auc.low",
            -0.06,
            "segments_roc_auc",
            "lower end of ROC-AUC over version 5 is −0.060 for tenure_days = from 90, and at least −0.050 is needed",
        ),
        ("comparison.segments.0.over_incumbent.brier.high", 0.03, "segments_brier", "+0.0300 for tenure_days = below"),
        ("comparison.segments.0.rows", 1_199, "segments_roc_auc", "the segments of tenure_days are not all the"),
        ("comparison.segments", (), "segments_roc_auc", "no segment was looked at"),
    ],
)
def test_each_condition_alone_refuses_and_says_why(
    good: Evidence, path: str, value: object, failed: CheckName, reason: str
) -> None:
    evidence = changed(good, path, value)

    assert failures(evidence) == {failed}
    assert reason in judge(evidence, LIMITS).reason


@pytest.mark.parametrize(
    ("path", "days", "failed", "says"),
    [
        ("watermark", 8.5, "fresh_snapshot", "lies 7.5 days behind the newest of the lake, and at most 7 days are"),
        ("watermark", 0.5, "fresh_snapshot", "lies 0.5 days ahead of the newest of the lake, so a clock or a lake"),
        ("lake_watermark", -0.5, "fresh_data", "lies 0.5 days ahead of the clock"),
    ],
)
def test_old_data_and_data_from_the_future_are_refused(
    good: Evidence, path: str, days: float, failed: CheckName, says: str
) -> None:
    evidence = changed(good, path, good.now - timedelta(days=days))

    assert failures(evidence) == {failed}
    assert says in judge(evidence, LIMITS).reason


def test_replayed_history_may_be_of_any_age_where_the_settings_say_so(good: Evidence) -> None:
    years = timedelta(days=9_000)
    old = good.model_copy(update={"watermark": good.now - years, "lake_watermark": good.now - years})

    assert failures(old) == {"fresh_data"}
    assert failures(old, PromotionSettings(max_data_age_days=None)) == set()


@pytest.mark.parametrize("name", ["over_nobody", "over_recency", "over_base_rate"])
def test_a_first_model_that_does_not_beat_a_baseline_is_refused(first: Evidence, name: CheckName) -> None:
    evidence = changed(first, f"comparison.baselines.{name}", difference(0.0, 0.1, 0.5))

    assert failures(evidence) == {name}


def test_a_first_model_worse_than_chance_for_some_customers_is_refused(first: Evidence) -> None:
    evidence = changed(first, "comparison.segments.0.candidate.roc_auc", Estimate(value=0.45, low=0.41, high=0.49))

    assert failures(evidence) == {"segments_roc_auc"}


@given(data=st.data())
def test_no_gap_in_the_evidence_ever_passes(good: Evidence, first: Evidence, data: st.DataObject) -> None:
    # Given a figure that is missing or no number, in anything but a segment too small to be judged
    evidence = data.draw(st.sampled_from([good, first]))
    figures = {path: value for path, value in leaves(evidence).items() if not path.startswith("comparison.segments.3")}
    numbers = sorted(path for path, value in figures.items() if isinstance(value, float))
    optional = [path for path in numbers if path.rpartition(".")[2] in ("value", "low", "high", "ahead")]
    path, gap = data.draw(
        st.tuples(st.sampled_from(numbers), st.sampled_from([nan, inf, -inf]))
        | st.tuples(st.sampled_from(optional), st.none())
    )

    assert judge(changed(evidence, path, gap), LIMITS).decision == "REJECT"


@given(faults=st.lists(st.text(min_size=1), min_size=1))
def test_no_fault_ever_passes(good: Evidence, faults: list[str]) -> None:
    assert "readable" in failures(changed(good, "faults", tuple(faults)))


@pytest.mark.parametrize("path", ["comparison", "candidate.facts", "incumbent.facts", "watermark", "lake_watermark"])
def test_whole_parts_that_are_missing_are_refused(good: Evidence, path: str) -> None:
    assert "complete" in failures(changed(good, path, None))


@pytest.mark.parametrize("path", ["incumbent", "comparison.incumbent", "comparison.over_incumbent"])
def test_an_incumbent_cannot_be_lost_halfway(good: Evidence, path: str) -> None:
    assert failures(changed(good, path, None)) >= {"complete"}


def test_a_segment_too_small_to_be_judged_may_be_undefined(good: Evidence) -> None:
    undefined = difference(nan, nan, nan)

    assert failures(changed(good, "comparison.segments.3.over_incumbent.roc_auc", undefined)) == set()


@given(
    start=st.fixed_dictionaries({path: st.floats(-0.1, 1.0) for path in WORSE}),
    path=st.sampled_from(sorted(WORSE)),
    step=st.floats(0, 1),
)
def test_a_worse_figure_never_turns_a_refusal_into_a_promotion(
    good: Evidence, start: dict[str, float], path: str, step: float
) -> None:
    before = good
    for place, value in start.items():
        before = changed(before, place, leaves(good)[place] if abs(value) > 0.05 else value)
    figure = leaves(before)[path]
    assert isinstance(figure, float)

    after = changed(before, path, figure + WORSE[path] * step)

    assert not (judge(before, LIMITS).decision == "REJECT" and judge(after, LIMITS).decision == "PROMOTE")
    assert failures(before) <= failures(after)


@given(order=st.permutations(range(4)))
def test_the_order_of_segments_does_not_matter(good: Evidence, order: list[int]) -> None:
    assert good.comparison is not None
    shuffled = changed(good, "comparison.segments", tuple(good.comparison.segments[index] for index in order))

    assert judge(shuffled, LIMITS) == judge(good, LIMITS)


def test_the_digest_names_the_evidence_and_survives_storage(good: Evidence) -> None:
    stored = Evidence.model_validate_json(good.model_dump_json())

    assert stored == good
    assert stored.digest == good.digest
    assert len({good.digest, *(changed(good, p, v).digest for p, v in (("decided", "x"), ("target", "staging")))}) == 3
