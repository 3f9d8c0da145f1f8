from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from churn.monitoring.settings import MonitoringSettings
from churn.monitoring.windows import windows_of

SETTINGS = MonitoringSettings()
DAY = datetime(2026, 3, 2, tzinfo=UTC)
hours = st.integers(0, 200).map(lambda number: DAY + timedelta(hours=number, minutes=number % 7))


def test_windows_begin_at_full_multiples_after_the_version_went_live() -> None:
    cut = windows_of(DAY + timedelta(hours=2), DAY + timedelta(hours=20), DAY + timedelta(hours=20), SETTINGS)

    assert [(window.start.hour, window.end.hour) for window in cut.complete] == [(6, 12), (12, 18)]
    assert cut.partial is not None
    assert (cut.partial.start, cut.partial.end) == (DAY + timedelta(hours=18), DAY + timedelta(hours=20))


def test_what_ingestion_has_not_read_is_not_complete() -> None:
    live, at = DAY, DAY + timedelta(hours=24)

    assert len(windows_of(live, at, at, SETTINGS).complete) == 3  # the fourth has still to settle
    assert len(windows_of(live, DAY + timedelta(hours=12), at, SETTINGS).complete) == 1
    assert windows_of(live, None, at, SETTINGS).complete == ()


@given(hours, st.none() | hours, hours)
def test_complete_windows_are_over_read_and_all_the_versions_own(
    live: datetime, closed: datetime | None, at: datetime
) -> None:
    cut = windows_of(live, closed, at, SETTINGS)

    assert len(cut.complete) <= SETTINGS.drift.windows
    for window in cut.complete:
        assert closed is not None
        assert live <= window.start < window.end <= min(closed, at)
        assert window.start.hour % SETTINGS.window_hours == 0
    if cut.partial is not None and cut.complete:
        assert cut.partial.start == cut.complete[-1].end
    assert cut.partial is None or cut.partial.end == at
