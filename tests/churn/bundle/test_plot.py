from hypothesis import given
from hypothesis import strategies as st

from churn.bundle.plot import even_range


@given(st.floats(-1e6, 0), st.floats(1e-3, 1e6), st.integers(2, 6))
def test_an_even_axis_holds_its_range_and_wastes_little(low: float, high: float, parts: int) -> None:
    (first, last), steps = even_range(low, high, parts)
    step = (last - first) / steps

    assert first <= low + 1e-6 * step
    assert last >= high - 1e-6 * step
    assert last - first < (high - low) + 2 * step
    assert 1 <= steps <= parts + 1
    assert f"{step:e}".partition("e")[0] in {"1.000000", "2.000000", "2.500000", "4.000000", "5.000000"}
