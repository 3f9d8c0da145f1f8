from datetime import UTC, datetime, timedelta
from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from churn.promotion.limits import Limited, aged, limited

NOON = datetime(2027, 4, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize("kind", ["at least", "at most"])
@pytest.mark.parametrize("gap", [None, nan, inf, -inf])
def test_what_is_no_number_is_never_within_a_limit(kind: Limited, gap: float | None) -> None:
    check = limited("parity", {"one": 0.0, "gap": gap, "two": 0.0}, kind, 0, ".1f", "figure")

    assert not check.passed
    assert check.says.startswith("the figure is missing for gap, and")


@given(figures=st.lists(st.floats(-1, 1), min_size=1), limit=st.floats(-1, 1))
def test_every_figure_must_be_on_the_allowed_side(figures: list[float], limit: float) -> None:
    named: dict[str, float | None] = {f"f{index}": figure for index, figure in enumerate(figures)}

    assert limited("parity", named, "at least", limit, ".1f").passed == (min(figures) >= limit)
    assert limited("parity", named, "at most", limit, ".1f").passed == (max(figures) <= limit)


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("at least", "the figure is −0.20 for low, and at least 0.00 is needed"),
        ("at most", "the figure is 0.30 for high, and at most 0.00 is allowed"),
    ],
)
def test_the_words_are_about_the_worst(kind: Limited, says: str) -> None:
    check = limited("parity", {"low": -0.2, "middle": 0.1, "high": 0.3}, kind, 0, ".2f", "figure")

    assert check.says == says


@pytest.mark.parametrize(
    ("days", "most", "passed"), [(0, 3, True), (3, 3, True), (3.01, 3, False), (-0.01, 3, False), (99, None, True)]
)
def test_an_age_is_between_nothing_and_its_limit(days: float, most: float | None, passed: bool) -> None:
    assert aged("fresh_data", "it", NOON - timedelta(days=days), "that", NOON, most).passed == passed


@pytest.mark.parametrize(("then", "until"), [(None, NOON), (NOON, None)])
def test_an_unknown_age_is_too_old(then: datetime | None, until: datetime | None) -> None:
    assert not aged("fresh_data", "it", then, "that", until, None).passed
