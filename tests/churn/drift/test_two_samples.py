import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from churn.drift.two_samples import (
    adjusted,
    binned_ks_distance,
    chi_square_p_value,
    ks_distance,
    ks_p_value,
    share_distance,
    stability_index,
)

samples = st.lists(st.integers(-5, 5).map(float), min_size=1, max_size=40).map(lambda values: np.sort(np.array(values)))
counts = st.lists(st.integers(0, 500), min_size=2, max_size=8)


@given(samples, samples)
def test_the_distance_is_the_largest_gap_at_any_value(reference: np.ndarray, window: np.ndarray) -> None:
    gaps = [abs((reference <= value).mean() - (window <= value).mean()) for value in (*reference, *window)]

    assert ks_distance(reference, window) == pytest.approx(max(gaps))


@pytest.mark.parametrize("distance", [0.02, 0.05, 0.1])
def test_the_p_value_is_close_to_the_exact_one(distance: float) -> None:
    from scipy.stats import kstwo  # type: ignore[import-untyped]

    assert ks_p_value(distance, 1e12, 1_000) == pytest.approx(kstwo.sf(distance, 1_000), rel=0.05, abs=1e-6)


def test_the_p_value_of_chi_square_is_that_of_scipy() -> None:
    from scipy.stats import chi2_contingency

    reference, window = np.array([500.0, 300, 200]), np.array([60.0, 25, 15])

    expected = chi2_contingency(np.stack([reference, window]), correction=False).pvalue
    assert chi_square_p_value(reference, window) == pytest.approx(expected)


def test_rare_bins_go_together_before_chi_square() -> None:
    reference, window = np.array([1000.0, 1, 1, 1, 1]), np.array([100.0, 0, 0, 0, 1])

    assert chi_square_p_value(reference, window) > 0.01


@given(counts, st.integers(1, 50))
def test_equal_shares_have_no_distance_and_no_evidence(reference: list[int], times: int) -> None:
    before = np.array(reference, dtype=float)

    assert share_distance(before, before * times) == pytest.approx(0)
    assert binned_ks_distance(before, before * times) == pytest.approx(0)
    assert chi_square_p_value(before, before * times) == pytest.approx(1)


@given(counts, counts)
def test_the_stability_index_is_never_negative_and_finite(before: list[int], after: list[int]) -> None:
    length = min(len(before), len(after))
    index = stability_index(np.array(before[:length], float), np.array(after[:length], float))

    assert -1e-12 <= index < np.inf


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_adjusted_p_values_are_those_of_benjamini_and_yekutieli(p_values: list[float]) -> None:
    from scipy.stats import false_discovery_control

    expected = false_discovery_control(p_values, method="by")
    assert adjusted(np.array(p_values)) == pytest.approx(expected)
