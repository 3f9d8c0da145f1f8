from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as reference

from churn.evaluation.costs import Costs
from churn.evaluation.metrics import METRICS, Scored, measure, roc_auc

COSTS = Costs(contact_cost=1, saved_margin=40, success_rate=0.1)


@st.composite
def scored_rows(draw: st.DrawFn) -> Scored:
    rows = draw(st.integers(4, 60))
    churned = np.array(draw(st.lists(st.booleans(), min_size=rows, max_size=rows)))
    churned[:2] = True, False
    # Few distinct scores, so that many of them tie.
    score = np.array(draw(st.lists(st.integers(0, 12), min_size=rows, max_size=rows))) / 12
    return Scored(churned, score, draw(st.sampled_from([0.2, 0.5, 0.75])))


def weights(scored: Scored, seed: int) -> Any:
    drawn = np.random.default_rng(seed).integers(0, 4, size=(3, len(scored.score))).astype(float)
    drawn[:, :2] += 1  # both classes are in every resample
    return drawn


@given(scored_rows(), st.integers(0, 9))
def test_weighted_metrics_are_those_of_scikit_learn(scored: Scored, seed: int) -> None:
    w = weights(scored, seed)

    ours = measure(scored, w, COSTS)

    acted = scored.score >= scored.threshold
    for i, weight in enumerate(w):
        options = {"sample_weight": weight}
        assert ours["roc_auc"][i] == pytest.approx(reference.roc_auc_score(scored.churned, scored.score, **options))
        assert ours["pr_auc"][i] == pytest.approx(
            reference.average_precision_score(scored.churned, scored.score, **options)
        )
        assert ours["brier"][i] == pytest.approx(reference.brier_score_loss(scored.churned, scored.score, **options))
        assert ours["accuracy"][i] == pytest.approx(reference.accuracy_score(scored.churned, acted, **options))
        assert ours["recall"][i] == pytest.approx(reference.recall_score(scored.churned, acted, **options))
        assert ours["f1"][i] == pytest.approx(reference.f1_score(scored.churned, acted, **options))
        if (weight * acted).sum():
            assert ours["precision"][i] == pytest.approx(reference.precision_score(scored.churned, acted, **options))


@given(scored_rows(), st.integers(0, 9))
def test_a_weight_is_a_number_of_copies(scored: Scored, seed: int) -> None:
    counts = weights(scored, seed)[0].astype(int)
    copies = Scored(np.repeat(scored.churned, counts), np.repeat(scored.score, counts), scored.threshold)

    weighted = measure(scored, counts[None, :].astype(float), COSTS)
    copied = measure(copies, np.ones((1, counts.sum())), COSTS)

    for name in set(METRICS) - {"calibration_error"}:  # its bins are those of the rows, not of the resample
        assert weighted[name] == pytest.approx(copied[name], nan_ok=True), name


def test_lift_capture_profit_and_calibration_of_a_known_case() -> None:
    score = np.repeat([0.9, 0.4, 0.1], [10, 40, 50])
    churned = np.zeros(100, dtype=bool)
    churned[:8] = churned[10:20] = churned[50:52] = True

    result = {
        name: float(values[0])
        for name, values in measure(Scored(churned, score, 0.5), np.ones((1, 100)), COSTS).items()
    }

    assert result["capture_at_10"] == pytest.approx(8 / 20)
    assert result["lift_at_10"] == pytest.approx(0.8 / 0.2)
    assert result["profit_per_customer"] == pytest.approx((8 * 4 - 10) / 100)
    # Top ten: 0.9 against 0.8; four bins at 0.4 whose 10 churned are all in the first; five at 0.1, 2 in the first.
    assert result["calibration_error"] == pytest.approx((1 + 6 + 3 * 4 + 1 + 4 * 1) / 100)


def test_equal_scores_capture_in_proportion() -> None:
    churned = np.array([True, False] * 10)

    result = measure(Scored(churned, np.full(20, 0.5), 0.5), np.ones((1, 20)), COSTS)

    assert result["capture_at_10"][0] == pytest.approx(0.1)
    assert result["roc_auc"][0] == pytest.approx(0.5)


def test_one_class_has_no_ranking() -> None:
    assert np.isnan(roc_auc(np.ones(5, dtype=bool), np.linspace(0, 1, 5)))
