import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from churn.evaluation.costs import Costs
from churn.evaluation.metrics import Scored, measure
from churn.evaluation.profit import best_threshold, profit_curve

COSTS = Costs(contact_cost=1, saved_margin=25, success_rate=0.1)
rows = st.lists(st.tuples(st.booleans(), st.integers(0, 20)), min_size=1, max_size=60)


def profit_at(threshold: float, churned: np.ndarray, score: np.ndarray) -> float:
    measured = measure(Scored(churned, score, threshold), np.ones((1, len(score))), COSTS)
    return float(measured["profit_per_customer"][0])


@given(rows)
def test_no_other_threshold_earns_more(drawn: list[tuple[bool, int]]) -> None:
    churned, score = np.array([row[0] for row in drawn]), np.array([row[1] / 20 for row in drawn])

    threshold = best_threshold(churned, score, COSTS)

    best = profit_at(threshold, churned, score)
    assert all(best >= profit_at(other, churned, score) - 1e-12 for other in np.linspace(-0.025, 1.025, 43))
    assert np.abs(score - threshold).min() > 1e-3


def test_the_threshold_stands_midway_between_two_scores() -> None:
    churned, score = np.array([True, True, False, False]), np.array([0.9, 0.7, 0.3, 0.1])

    assert best_threshold(churned, score, COSTS) == pytest.approx(0.5)


def test_other_scores_move_it_into_their_widest_gap_and_change_no_decision() -> None:
    churned, score = np.array([True, True, False, False]), np.array([0.9, 0.7, 0.3, 0.1])

    threshold = best_threshold(churned, score, COSTS, np.array([0.35, 0.5, 0.65, 0.95]))

    assert threshold in (pytest.approx(0.425), pytest.approx(0.575))


def test_nobody_is_contacted_where_it_never_pays() -> None:
    threshold = best_threshold(np.zeros(3, dtype=bool), np.array([0.2, 0.9, 1.0]), COSTS)

    assert threshold > 1


def test_the_curve_starts_at_nothing_and_ends_with_everybody() -> None:
    churned, score = np.array([True, False, True, False]), np.array([0.9, 0.8, 0.7, 0.1])

    curve = profit_curve(Scored(churned, score, 0.6), COSTS)

    assert [point.contacted for point in curve.points] == [0, 0.25, 0.5, 0.75, 1]
    assert [4 * point.profit_per_customer for point in curve.points] == pytest.approx([0, 1.5, 0.5, 2, 1])
    assert curve.chosen.contacted == 0.75
    assert curve.everybody == pytest.approx(0.25)
