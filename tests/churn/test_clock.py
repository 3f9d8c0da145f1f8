from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from churn.clock import ProjectClock
from churn.errors import ChurnError

PAST = datetime(1998, 6, 29, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def clock(tmp_path: Path) -> ProjectClock:
    return ProjectClock(tmp_path / "state" / "clock")


def near(moment: datetime, wanted: datetime) -> bool:
    return wanted <= moment < wanted + MINUTE


def test_a_project_lives_in_the_present(clock: ProjectClock) -> None:
    before = datetime.now(UTC)
    assert before <= clock.now() <= datetime.now(UTC)
    assert clock.behind() == timedelta()


def test_a_past_is_lived_through_by_every_process_of_the_project(clock: ProjectClock) -> None:
    clock.begin(PAST)
    other = ProjectClock(clock.file)

    first = other.now()
    assert near(first, PAST)
    assert other.now() > first
    assert near(datetime.fromtimestamp(other.seconds(), UTC), PAST)


def test_time_goes_forward_only(clock: ProjectClock) -> None:
    clock.begin(PAST)
    clock.forward_to(PAST + 5 * MINUTE)
    clock.forward_to(PAST)
    clock.begin(PAST - 5 * MINUTE)

    assert near(clock.now(), PAST + 5 * MINUTE)


def test_a_past_that_was_interrupted_goes_on_where_it_was(clock: ProjectClock) -> None:
    clock.begin(PAST)
    clock.forward_to(PAST + 5 * MINUTE)

    clock.begin(PAST + 9 * MINUTE)

    assert near(clock.now(), PAST + 9 * MINUTE)


def test_who_catches_up_is_in_the_present_for_good(clock: ProjectClock) -> None:
    clock.begin(PAST)

    clock.catch_up()
    clock.forward_to(PAST)

    assert clock.behind() == timedelta()
    assert list(clock.file.parent.iterdir()) == []
    clock.catch_up()


@pytest.mark.parametrize("ahead", [timedelta(), timedelta(days=1)])
def test_nobody_gets_ahead_of_the_machine(clock: ProjectClock, ahead: timedelta) -> None:
    clock.begin(PAST)

    clock.forward_to(datetime.now(UTC) + ahead)

    assert clock.behind() < MINUTE
    assert clock.now() <= datetime.now(UTC)


@pytest.mark.parametrize("content", ["", "yesterday", "1.5", "-86400000000", " 5 ", "1_0", "9" * 18])
def test_a_file_that_is_no_clock_is_named(clock: ProjectClock, content: str) -> None:
    clock.file.parent.mkdir()
    clock.file.write_text(content)

    with pytest.raises(ChurnError, match="no project's clock; remove it"):
        clock.now()
