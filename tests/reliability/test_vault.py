"""A vault that is sealed, down, slow or of another lake: ingestion refuses and writes nothing."""

import hashlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path

import hvac
import pytest

from churn.errors import KeyUnavailable
from churn.ingestion.ingest import Ingestion
from churn.settings import VaultSettings
from tests.world import World, make_event
from vault.datakey import EMBEDDED_STATE, key_source
from vault.server import Address, ensure_server, server_status, stop_server
from vault.state import VaultState


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Address]]:
    """A project folder and the embedded server that lives in it."""
    root = tmp_path_factory.mktemp("project")
    yield root, ensure_server(root / EMBEDDED_STATE)
    stop_server(root / EMBEDDED_STATE)


@pytest.fixture
def environ(vault: tuple[Path, Address]) -> dict[str, str]:
    """Reach the server as one that somebody else runs: it is not started or unsealed for us."""
    _, address = vault
    return {"VAULT_ADDR": address.url, "VAULT_TOKEN": address.token_file.read_text()}


def ingestion(world: World, root: Path, environ: dict[str, str], timeout: float = 5) -> Ingestion:
    settings = VaultSettings(timeout=timedelta(seconds=timeout))
    return Ingestion(world.settings, key_source(settings, root, environ=environ))


def contents(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def assert_refuses(world: World, root: Path, environ: dict[str, str], message: str, timeout: float = 5) -> None:
    before = contents(world.root)
    refused = ingestion(world, root, environ, timeout)
    with pytest.raises(KeyUnavailable, match=message):
        refused.run(now=world.now, run_id="refused")
    with pytest.raises(KeyUnavailable, match=message):
        refused.scan(world.now)
    with pytest.raises(KeyUnavailable, match=message):
        refused.replay_quarantine(now=world.now, run_id="refused")
    assert contents(world.root) == before


@pytest.fixture(params=["empty lake", "lake in use"])
def waiting(
    request: pytest.FixtureRequest, world: World, vault: tuple[Path, Address], environ: dict[str, str]
) -> World:
    """A world with an object that waits, before the first run and after one."""
    if request.param == "lake in use":
        world.upload([make_event(0), make_event(1, customer_id=None)], "part-0.jsonl")
        ingestion(world, vault[0], environ).run(now=world.now, run_id="before")
    world.upload([make_event(2, customer_id="somebody new")], "part-1.jsonl")
    return world


def test_a_sealed_vault(waiting: World, vault: tuple[Path, Address], environ: dict[str, str]) -> None:
    root, address = vault
    keys = json.loads(VaultState(root / EMBEDDED_STATE).keys.read_text())
    admin = hvac.Client(url=address.url, token=keys["token"])
    admin.sys.seal()
    try:
        assert server_status(root / EMBEDDED_STATE).status == "sealed"
        assert_refuses(waiting, root, environ, "sealed")
    finally:
        ensure_server(root / EMBEDDED_STATE)

    done = ingestion(waiting, root, environ).run(now=waiting.now, run_id="after")
    assert done.counts.appended == 1


def test_a_vault_that_is_down(waiting: World, vault: tuple[Path, Address], environ: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert_refuses(waiting, vault[0], {**environ, "VAULT_ADDR": f"http://127.0.0.1:{port}"}, "no connection")


def test_a_vault_that_never_answers(waiting: World, vault: tuple[Path, Address], environ: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        started = time.monotonic()
        assert_refuses(waiting, vault[0], {**environ, "VAULT_ADDR": address}, "no answer within 0.2 s", timeout=0.2)
    assert time.monotonic() - started < 10


def test_a_vault_that_is_slow_but_answers_is_waited_for(
    waiting: World, vault: tuple[Path, Address], environ: dict[str, str]
) -> None:
    with slow_proxy(vault[1].url, seconds=0.3) as address:
        done = ingestion(waiting, vault[0], {**environ, "VAULT_ADDR": address}).run(now=waiting.now, run_id="slow")
    assert done.counts.appended == 1


def test_a_token_without_the_right(waiting: World, vault: tuple[Path, Address], environ: dict[str, str]) -> None:
    assert_refuses(waiting, vault[0], {**environ, "VAULT_TOKEN": "not-a-token"}, "not allowed")


def test_the_key_of_another_lake(
    world: World, vault: tuple[Path, Address], environ: dict[str, str], tmp_path: Path
) -> None:
    world.upload([make_event(0)])
    world.ingest()
    world.upload([make_event(1, customer_id="somebody new")], "part-1.jsonl")
    before = world.rows().height, world.rows("subjects").height

    with pytest.raises(KeyUnavailable, match="another data key"):
        ingestion(world, vault[0], environ).run(now=world.now, run_id="other")

    assert (world.rows().height, world.rows("subjects").height) == before


@contextmanager
def slow_proxy(target: str, seconds: float) -> Iterator[str]:
    """Pass bytes on to the target, each request late by so many seconds."""
    host, _, port = target.removeprefix("http://").partition(":")
    ends: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def in_thread(work: Callable[..., None], *args: object) -> None:
        threads.append(threading.Thread(target=work, args=args))
        threads[-1].start()

    def pipe(source: socket.socket, sink: socket.socket, delay: float) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                time.sleep(delay)
                sink.sendall(data)

    def accept(listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, server = listener.accept()[0], socket.create_connection((host, int(port)))
                ends.extend((client, server))
                in_thread(pipe, client, server, seconds)
                in_thread(pipe, server, client, 0.0)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        in_thread(accept, listener)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        for end in (listener, *ends):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join()
        for end in ends:
            end.close()
