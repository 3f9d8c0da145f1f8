import numpy as np
import polars as pl
import pytest

from churn.rollout.baseline import UnfitBaseline, baseline_of, promise_of, repeats
from churn.rollout.metrics import rollback_terms
from tests.rollout import SETTINGS, traffic

STABLE = traffic(4_000, weight=0).filter(~pl.col("canary"))


def test_thresholds_are_quantiles_of_stable_alone() -> None:
    mixed = pl.concat([STABLE, traffic(4_000, slower=50, seed=2).filter("canary")])

    baseline = baseline_of(mixed, SETTINGS)

    assert baseline == baseline_of(STABLE, SETTINGS)
    assert baseline.requests == 4_000
    assert baseline.slower == pytest.approx((0.505, 0.109, 0.02), abs=5e-3)
    assert baseline.errors == pytest.approx(0.01, abs=0.005)
    assert baseline.score == pytest.approx(0.25, abs=0.02)


def test_customers_count_once_in_scores_and_decisions() -> None:
    loud = STABLE.head(1_000).with_columns(customer=pl.lit("loud"), score=pl.lit(0.9), contacted=pl.lit(True))

    baseline = baseline_of(pl.concat([STABLE, loud]), SETTINGS)

    assert baseline.score == pytest.approx(baseline_of(STABLE, SETTINGS).score, abs=0.001)
    assert baseline.repeated == 0


def test_failures_are_above_every_threshold_and_move_none() -> None:
    failing = STABLE.with_columns(failed=pl.int_range(pl.len()) % 5 == 0)
    answered = failing.filter(~pl.col("failed"))["seconds"].drop_nulls()

    baseline = baseline_of(failing, SETTINGS)

    assert baseline.slow[2] == pytest.approx(answered.quantile(0.99, "higher"))
    assert baseline.slower[2] == pytest.approx(0.2 + 0.8 * 0.01, abs=2e-3)


def test_too_little_or_nothing_answered_is_no_baseline() -> None:
    with pytest.raises(UnfitBaseline, match=r"499 requests and rollout\.baseline_requests asks for 500"):
        baseline_of(STABLE.head(499), SETTINGS)
    with pytest.raises(UnfitBaseline, match="only 0 of stable's 4,000 requests"):
        baseline_of(STABLE.with_columns(score=pl.lit(None, pl.Float64)), SETTINGS)


def test_the_promise_is_the_shift_on_the_same_rows() -> None:
    theirs = np.array([0.1, 0.2, 0.3, 0.4])

    promise = promise_of(theirs + np.array([0.1, 0.3, 0.1, 0.3]), theirs, my_threshold=0.45, their_threshold=0.35)

    assert promise.score.value == pytest.approx(0.2)
    assert promise.score.error == pytest.approx(np.std([0.1, 0.3, 0.1, 0.3], ddof=1) / 2)
    assert promise.contacted.value == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [([0.1, 0.2], [0.1]), ([0.1], [0.1]), ([0.1, float("nan")], [0.1, 0.2]), ([0.1, 1.2], [0.1, 0.2])],
)
def test_no_promise_without_probabilities_on_the_same_rows(mine: list[float], theirs: list[float]) -> None:
    with pytest.raises(UnfitBaseline):
        promise_of(np.array(mine), np.array(theirs), 0.5, 0.5)


def test_a_score_repeats_from_the_third_time_on() -> None:
    assert repeats(np.array([0.5, 0.1, 0.5, 0.5, 0.1, 0.5, 0.1])).tolist() == [*[False] * 3, True, False, True, True]


def test_repeats_are_no_evidence_about_a_model_that_gives_few_different_scores() -> None:
    fine, coarse = np.linspace(0.1, 0.9, 500), np.round(np.linspace(0.1, 0.9, 500), 1)
    baseline = baseline_of(STABLE, SETTINGS)

    among = {
        promise.discrete: {term.metric for term in rollback_terms(SETTINGS, baseline, promise)}
        for promise in (promise_of(fine, fine, 0.5, 0.5), promise_of(coarse, fine, 0.5, 0.5))
    }

    assert among[False] - among[True] == {"constant_score"}
