import errno
import sqlite3
import traceback
from collections.abc import Iterable
from pathlib import Path

import pytest

from churn.errors import ChurnError, KeyUnavailable
from churn.ingestion.alert import Alert
from steps import guard
from steps.guard import StepFailed, failing_closed


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[Alert]:
    alerts: list[Alert] = []

    def send(waiting: Iterable[Alert], *, source: str) -> int:
        alerts.extend(waiting)
        return len(alerts)

    monkeypatch.setattr(guard, "send_alerts", send)
    return alerts


def test_what_succeeds_is_left_alone(sent: list[Alert]) -> None:
    with failing_closed("run"):
        pass

    assert sent == []


def test_our_own_error_alerts_and_goes_on_as_it_is(sent: list[Alert]) -> None:
    with pytest.raises(KeyUnavailable, match="the vault is sealed"), failing_closed("run"):
        raise KeyUnavailable("the vault is sealed")

    assert [alert.kind for alert in sent] == ["ingestion_failed"]
    assert "the vault is sealed" in sent[0].message


def test_an_unforeseen_error_loses_what_it_quotes_and_keeps_its_place(sent: list[Alert]) -> None:
    with pytest.raises(StepFailed) as failure, failing_closed("run"):
        int("canary-4711")

    stored = "".join(traceback.format_exception(failure.value))
    assert "canary-4711" not in str(failure.value) + sent[0].message
    assert "canary-4711" not in stored.replace('int("canary-4711")', "")
    assert "ValueError at steps/test_guard.py:" in str(failure.value)


def test_the_cause_of_our_own_error_is_not_kept_either(sent: list[Alert]) -> None:
    secret = "canary-" + "4711"

    def read() -> None:
        try:
            int(secret)
        except ValueError as error:
            raise ChurnError("the object cannot be read") from error

    with pytest.raises(ChurnError) as failure, failing_closed("run"):
        read()

    assert secret not in "".join(traceback.format_exception(failure.value))
    assert len(sent) == 1


def test_the_systems_reason_is_kept_and_the_file_it_names_is_not(sent: list[Alert]) -> None:
    with pytest.raises(StepFailed) as failure, failing_closed("run", "training_failed"):
        raise OSError(errno.ENOSPC, "canary", "canary-4711.csv")

    assert "OSError (No space left on device) at steps/test_guard.py" in str(failure.value)
    assert "canary" not in str(failure.value)
    assert [(alert.kind, alert.message.split(",")[0]) for alert in sent] == [("training_failed", "training stopped")]


def test_the_place_is_ours_where_the_standard_library_failed(sent: list[Alert], tmp_path: Path) -> None:
    with pytest.raises(StepFailed) as failure, failing_closed("run"):
        (tmp_path / "missing" / "folder").mkdir()

    assert "FileNotFoundError (No such file or directory) at steps/test_guard.py:" in str(failure.value)


def test_a_tracker_whose_database_is_locked_is_named_through_what_wraps_it(sent: list[Alert], tmp_path: Path) -> None:
    def write() -> None:
        with sqlite3.connect(tmp_path / "db") as holder, sqlite3.connect(tmp_path / "db", timeout=0) as writer:
            holder.execute("BEGIN EXCLUSIVE")
            writer.execute("CREATE TABLE canary (id)")

    def tracked() -> None:
        try:
            write()
        except sqlite3.OperationalError as error:
            raise RuntimeError(f"canary-4711 {error}") from error

    with pytest.raises(StepFailed) as failure, failing_closed("run", "training_failed"):
        tracked()

    assert "RuntimeError (database is locked) at steps/test_guard.py" in str(failure.value)
    assert "canary-4711" not in str(failure.value)


def test_what_a_database_says_about_data_is_not_kept(sent: list[Alert]) -> None:
    with pytest.raises(StepFailed) as failure, failing_closed("run", "training_failed"):
        raise sqlite3.OperationalError("no such column: canary-4711")

    assert "canary-4711" not in str(failure.value)
