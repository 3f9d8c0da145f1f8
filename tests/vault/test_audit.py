import os
import signal
import threading
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import hvac
import pytest

from churn.settings import UpkeepSettings
from tests.vault.conftest import root_client
from vault.audit import roll_audit
from vault.server import ensure_server, server_status
from vault.state import VaultState

NOW = datetime(2026, 3, 1, tzinfo=UTC)
ROLLED = UpkeepSettings(audit_bytes=1, audit_files=1_000)


def asked(state: Path, *, of: list[Path] | None = None) -> list[str]:
    """Return the numbers that the audit logs tell a server was asked about, oldest first."""
    vault = VaultState(state)
    lines = "".join(path.read_text() for path in of or [*vault.rolled_audits(), vault.audit]).splitlines()
    assert all(line.startswith("{") and line.endswith("}") for line in lines)
    told = [
        line.partition('"path":"secret/data/number-')[2].partition('"')[0] for line in lines if '"response"' in line
    ]
    return [number for number in told if number]


def ask(client: hvac.Client, number: int) -> None:
    client.secrets.kv.v2.create_or_update_secret(f"number-{number}", {"is": number})


def test_no_line_is_lost_while_the_log_is_rolled_under_a_server_at_work(own_state: Path) -> None:
    # Given a server that is asked all the time
    client, done, numbers = root_client(ensure_server(own_state)), threading.Event(), count()

    def work() -> None:
        while not done.is_set():
            ask(client, next(numbers))

    asker = threading.Thread(target=work)
    asker.start()

    # When its log is rolled twenty times
    rolled = 0
    while rolled < 20:
        rolled += roll_audit(own_state, ROLLED, NOW + rolled * timedelta(hours=1))
    done.set()
    asker.join()

    # Then each answer is in one of the files, once, and in order
    last = next(numbers)
    assert last > 20
    assert len(VaultState(own_state).rolled_audits()) == 20
    assert asked(own_state) == [str(number) for number in range(last)]
    assert VaultState(own_state).audit.stat().st_mode & 0o777 == 0o600


def test_the_oldest_go_and_a_short_log_goes_on(own_state: Path) -> None:
    client, state = root_client(ensure_server(own_state)), VaultState(own_state)
    for number in range(4):
        ask(client, number)
        assert roll_audit(own_state, UpkeepSettings(audit_bytes=1, audit_files=2), NOW)  # the clock stands still

    assert asked(own_state) == ["2", "3"]
    assert not roll_audit(own_state, UpkeepSettings(), NOW)
    assert len(state.rolled_audits()) == 2


def test_a_roll_that_was_cut_short_is_ended_by_the_next(own_state: Path) -> None:
    client, state = root_client(ensure_server(own_state)), VaultState(own_state)
    state.audit.rename(state.folder / "audit-20260228T000000000000Z.log")
    ask(client, 0)
    assert not state.audit.exists()

    roll_audit(own_state, UpkeepSettings(), NOW)
    ask(client, 1)

    assert asked(own_state, of=[state.audit]) == ["1"]
    assert asked(own_state) == ["0", "1"]


def test_a_log_is_rolled_while_nothing_runs_and_never_where_there_is_no_vault(own_state: Path, tmp_path: Path) -> None:
    assert roll_audit(own_state, ROLLED, NOW)
    assert server_status(own_state).status == "stopped"
    ask(root_client(ensure_server(own_state)), 0)
    assert asked(own_state) == ["0"]

    assert not roll_audit(tmp_path / "none", ROLLED, NOW)
    assert not (tmp_path / "none").exists()


def test_a_sealed_server_is_left_alone(own_state: Path) -> None:
    client, state = root_client(ensure_server(own_state)), VaultState(own_state)
    client.sys.seal()

    assert not roll_audit(own_state, ROLLED, NOW)
    assert state.rolled_audits() == []


def test_a_server_that_stopped_answering_is_left_alone(own_state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ensure_server(own_state)
    pid = server_status(own_state).pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        assert not roll_audit(own_state, ROLLED, NOW)
    finally:
        os.kill(pid, signal.SIGCONT)
    assert VaultState(own_state).rolled_audits() == []
