from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from churn.clock import ProjectClock
from cli.demo_past import begin_in_the_past
from cli.options import warn_of_the_past
from stacks.environment import project_clock

FIRST = datetime(1998, 4, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("decided", "lives_in_the_past"),
    [([], True), ([FIRST - timedelta(days=1), FIRST], True), ([FIRST, FIRST + timedelta(seconds=1)], False)],
)
def test_a_past_is_lived_through_unless_something_was_decided_since(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, decided: list[datetime], lives_in_the_past: bool
) -> None:
    entries = [SimpleNamespace(at=at) for at in decided]
    monkeypatch.setattr("steps.registry.active_ledger", lambda: SimpleNamespace(entries=lambda: entries))
    clock = ProjectClock(tmp_path / "clock")

    begin_in_the_past(clock, FIRST)

    assert (clock.behind() > timedelta()) == lives_in_the_past


def test_a_person_is_told_of_the_past_and_of_nothing_in_the_present(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CHURN_ROOT", str(tmp_path))
    warn_of_the_past()
    silent = capsys.readouterr()
    project_clock().begin(FIRST)

    warn_of_the_past()

    told = capsys.readouterr()
    assert (silent.out, silent.err, told.out) == ("", "", "")
    assert "it is 1998-04-02 00:00 UTC in this project: make demo goes on from there" in told.err
    assert str(tmp_path / ".churn" / "clock") in told.err
