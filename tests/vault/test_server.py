import json
import multiprocessing
import os
import signal
import stat
import time
from pathlib import Path

import hvac
import pytest

from churn import process
from churn.errors import KeyUnavailable
from churn.settings import VaultSettings
from vault import server
from vault.client import Endpoint
from vault.datakey import VaultKeySource
from vault.server import Address, ensure_server, server_status, stop_server
from vault.state import VaultState


def data_key(address: Address) -> bytes:
    endpoint = Endpoint(address.url, address.token_file.read_text())
    return VaultKeySource(VaultSettings(), lambda: endpoint, environ={}).data_key().fingerprint("customer", "a")


def test_a_running_server_is_used_again(embedded_vault: Address) -> None:
    state = embedded_vault.token_file.parent
    before = server_status(state)
    assert before.status == "running"
    assert ensure_server(state) == embedded_vault
    assert server_status(state) == before


def test_only_the_owner_may_read_the_state(embedded_vault: Address) -> None:
    state = embedded_vault.token_file.parent
    assert stat.S_IMODE(state.stat().st_mode) == 0o700
    secret = [VaultState(state).keys, embedded_vault.token_file, VaultState(state).audit, VaultState(state).log]
    assert [stat.S_IMODE(path.stat().st_mode) for path in secret] == [0o600] * 4


def test_the_data_key_survives_a_restart(own_state: Path) -> None:
    first = data_key(ensure_server(own_state))
    assert stop_server(own_state)
    assert server_status(own_state).status == "stopped"
    assert not stop_server(own_state)
    assert data_key(ensure_server(own_state)) == first


def test_a_killed_server_is_started_again(own_state: Path) -> None:
    first = data_key(ensure_server(own_state))
    killed = server_status(own_state).pid
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    assert data_key(ensure_server(own_state)) == first
    assert server_status(own_state).pid != killed


def test_a_sealed_server_is_unsealed(own_state: Path) -> None:
    address = ensure_server(own_state)
    hvac.Client(url=address.url, token=json.loads(VaultState(own_state).keys.read_text())["token"]).sys.seal()
    assert server_status(own_state).status == "sealed"
    ensure_server(own_state)
    assert server_status(own_state).status == "running"


def test_a_pid_that_now_belongs_to_another_process_is_left_alone(own_state: Path) -> None:
    record = {
        "pid": os.getpid(),
        "started": "another boot:1",
        "url": "http://127.0.0.1:9",
        "nonce": "",
        "checked_at": 9e12,
    }
    (own_state / "server.json").write_text(json.dumps(record))
    assert not stop_server(own_state)
    (own_state / "server.json").write_text(json.dumps(record))
    address = ensure_server(own_state)
    assert address.url != record["url"]
    assert server_status(own_state).pid != os.getpid()


def test_a_server_whose_start_was_interrupted_is_taken_over(own_state: Path) -> None:
    ensure_server(own_state)
    before = server_status(own_state)
    (own_state / "server.json").unlink()
    ensure_server(own_state)
    assert server_status(own_state) == before


def test_a_token_that_died_is_replaced(own_state: Path) -> None:
    address = ensure_server(own_state)
    first = data_key(address)
    client = hvac.Client(url=address.url, token=json.loads(VaultState(own_state).keys.read_text())["token"])
    client.auth.token.revoke(address.token_file.read_text())
    assert data_key(ensure_server(own_state, clock=lambda: time.time() + 2 * 24 * 3600)) == first


def _ensure(state: str) -> str:
    return ensure_server(Path(state)).url


def test_two_processes_at_once_end_with_one_server(own_state: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        first, second = pool.map(_ensure, [str(own_state)] * 2)
    assert first == second


def test_an_interrupted_initialisation_is_made_up_for(new_state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = VaultState.write

    def interrupted(self: VaultState, path: Path, content: str) -> None:
        if path == self.keys:
            raise KeyboardInterrupt
        write(self, path, content)

    with monkeypatch.context() as patch:
        patch.setattr(VaultState, "write", interrupted)
        with pytest.raises(KeyboardInterrupt):
            ensure_server(new_state)
    assert data_key(ensure_server(new_state))
    assert (new_state / "data.interrupted-1").is_dir()


def test_an_interruption_after_the_keys_were_stored_loses_nothing(
    new_state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("vault.server.provision", interrupted)
        with pytest.raises(KeyboardInterrupt):
            ensure_server(new_state)
    keys = VaultState(new_state).keys.read_text()
    assert data_key(ensure_server(new_state))
    assert VaultState(new_state).keys.read_text() == keys
    assert not list(new_state.glob("data.interrupted*"))


def test_lost_keys_are_an_error_and_nothing_is_removed(own_state: Path) -> None:
    VaultState(own_state).keys.rename(own_state / "elsewhere")
    with pytest.raises(KeyUnavailable, match=r"keys.json is missing.*from a copy"):
        ensure_server(own_state)
    (own_state / "elsewhere").rename(VaultState(own_state).keys)
    assert data_key(ensure_server(own_state))


def test_a_lost_store_is_an_error_and_not_a_new_vault(own_state: Path) -> None:
    VaultState(own_state).data.rename(own_state / "elsewhere")
    with pytest.raises(KeyUnavailable, match=r"data/ is empty.*from a copy"):
        ensure_server(own_state)


def test_keys_of_another_vault_are_an_error(own_state: Path) -> None:
    keys = json.loads(VaultState(own_state).keys.read_text())
    VaultState(own_state).keys.write_text(json.dumps({**keys, "unseal_key": "A" * 43 + "="}))
    with pytest.raises(KeyUnavailable, match="does not open"):
        ensure_server(own_state)


def test_a_server_that_cannot_start_says_why(own_state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vault.server._configuration", lambda *_: {"storage": {"stone": {}}})
    with pytest.raises(KeyUnavailable, match=r"does not start.*server.log"):
        ensure_server(own_state)


def test_a_port_taken_meanwhile_is_replaced(
    own_state: Path, embedded_vault: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = int(embedded_vault.url.rpartition(":")[2])
    ports = iter([(taken, taken), (0, 0)])
    free_ports = server._free_ports

    def choose() -> tuple[int, int]:
        chosen = next(ports)
        return chosen if chosen[0] else free_ports()

    monkeypatch.setattr("vault.server._free_ports", choose)
    assert ensure_server(own_state).url != embedded_vault.url


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(KeyUnavailable, match="make the folder writable"):
        ensure_server(tmp_path / "state")


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("")
    with pytest.raises(KeyUnavailable, match="state"):
        ensure_server(tmp_path / "state")


def test_only_the_very_process_is_stopped() -> None:
    mark = process.start_mark(os.getpid())
    assert mark is not None
    assert not process.stop(os.getpid(), mark + "0")
    assert process.start_mark(2**22 + 1) is None
