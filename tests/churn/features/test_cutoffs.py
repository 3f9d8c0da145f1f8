from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from churn.errors import ChurnError
from churn.features.cutoffs import plan_cutoffs
from churn.features.settings import FeatureSettings


def test_windows_end_where_labels_are_complete() -> None:
    plan = plan_cutoffs(date(2023, 1, 1), datetime(2024, 6, 30, 5, tzinfo=UTC), FeatureSettings())

    assert plan.latest == date(2024, 6, 30)
    assert plan.test == date(2024, 3, 31)  # 91 days before: the horizon and a day for late events
    assert plan.calibration == date(2024, 1, 1)
    assert plan.selection == date(2023, 10, 3)
    assert plan.train == tuple(date(2023, 7, 5) - timedelta(days=30 * step) for step in (5, 4, 3, 2, 1, 0))


@pytest.mark.parametrize(("hour", "test"), [(0, date(2024, 3, 31)), (23, date(2024, 3, 31))])
def test_a_day_that_has_begun_is_no_whole_day(hour: int, test: date) -> None:
    plan = plan_cutoffs(date(2023, 1, 1), datetime(2024, 6, 30, hour, tzinfo=UTC), FeatureSettings())

    assert plan.test == test


def test_a_short_history_shares_one_cutoff_between_selection_and_calibration() -> None:
    plan = plan_cutoffs(date(2023, 1, 1), datetime(2023, 12, 1, tzinfo=UTC), FeatureSettings())

    assert plan.shared_validation
    assert plan.selection == plan.calibration < plan.test


def test_a_history_shorter_than_that_says_how_many_days_are_needed() -> None:
    last = datetime(2023, 1, 1, tzinfo=UTC) + timedelta(days=30 + 3 * 90 + 1)

    assert plan_cutoffs(date(2023, 1, 1), last, FeatureSettings()).train
    with pytest.raises(ChurnError, match=r"covers 300 days .* needs 301"):
        plan_cutoffs(date(2023, 1, 1), last - timedelta(days=1), FeatureSettings())


@given(
    days=st.integers(0, 1500),
    horizon=st.integers(1, 120),
    lateness=st.integers(0, 10),
    step=st.integers(1, 60),
    history=st.integers(1, 200),
)
def test_label_windows_of_splits_never_overlap_nor_pass_the_watermark(
    days: int, horizon: int, lateness: int, step: int, history: int
) -> None:
    first = date(2023, 1, 1)
    watermark = datetime(2023, 1, 1, 13, tzinfo=UTC) + timedelta(days=days)
    settings = FeatureSettings(
        horizon_days=horizon, allowed_lateness_days=lateness, cutoff_step_days=step, min_history_days=history
    )
    try:
        plan = plan_cutoffs(first, watermark, settings)
    except ChurnError:
        assert days < history + 3 * horizon + lateness
        return

    window = timedelta(days=horizon)
    splits = sorted({max(plan.train), plan.selection, plan.calibration, plan.test})
    assert all(later - earlier >= window for earlier, later in pairwise(splits))
    assert len(splits) == (3 if plan.shared_validation else 4)
    assert plan.test + window + timedelta(days=lateness) <= watermark.date() == plan.latest
    assert min(plan.train) >= first + timedelta(days=history)
    assert len(plan.train) <= settings.max_train_cutoffs
    assert list(plan.all) == sorted({*plan.labelled, plan.latest})
