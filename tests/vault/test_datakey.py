import base64
import datetime
import http.server
import json
import socket
import ssl
import threading
import time
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hvac
import pytest
import requests

from churn.errors import KeyUnavailable
from churn.privacy.keys import DataKey
from churn.settings import VaultSettings
from vault.client import Endpoint
from vault.datakey import EMBEDDED_STATE, VaultKeySource, key_source
from vault.server import Address, ensure_server, stop_server
from vault.state import VaultState

SECRET = "s.secret-token"


def mark(key: DataKey) -> bytes:
    return key.fingerprint("customer", "a")


def source(address: str, token: str, **changes: object) -> VaultKeySource:
    settings = VaultSettings.model_validate({"timeout": datetime.timedelta(seconds=5), **changes})
    return VaultKeySource(settings, lambda: Endpoint(address, token, "the test"), environ={})


def refusal(address: str, token: str = SECRET, **changes: object) -> str:
    """The message of the refusal, after a check that no secret is anywhere in the traceback."""
    with pytest.raises(KeyUnavailable) as caught:
        source(address, token, **changes).data_key()
    assert address in str(caught.value)
    assert token not in "".join(traceback.format_exception(caught.value))
    assert caught.value.__context__ is None
    return str(caught.value)


@contextmanager
def serving(handler: type[http.server.BaseHTTPRequestHandler], tls: ssl.SSLContext | None = None) -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http{'s' if tls else ''}://127.0.0.1:{server.server_port}"
        server.shutdown()


class Answer(http.server.BaseHTTPRequestHandler):
    """Answers everything with the same page."""

    body = b"<html>Welcome to the router</html>"
    content_type = "text/html"

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(200)
        self.send_header("Content-Type", self.content_type)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    do_POST = do_PUT = do_GET  # noqa: N815 - the names http.server calls

    def log_message(self, *_: object) -> None:
        """Stay quiet."""


def test_the_embedded_server_is_started_when_nothing_else_is_given(tmp_path: Path) -> None:
    try:
        keys = key_source(VaultSettings(), tmp_path, environ={})
        assert not (tmp_path / EMBEDDED_STATE).exists()
        assert mark(keys.data_key()) == mark(key_source(VaultSettings(), tmp_path, environ={}).data_key())
    finally:
        stop_server(tmp_path / EMBEDDED_STATE)


def test_the_environment_overrides_address_and_token(embedded_vault: Address, tmp_path: Path) -> None:
    settings = VaultSettings(address="http://127.0.0.1:9")
    environ = {"VAULT_ADDR": embedded_vault.url, "VAULT_TOKEN": embedded_vault.token_file.read_text()}
    assert mark(key_source(settings, tmp_path, environ=environ).data_key())
    referred = settings.model_copy(update={"token": f"file:{embedded_vault.token_file}"})
    assert mark(key_source(referred, tmp_path, environ={**environ, "VAULT_TOKEN": "other"}).data_key())
    with pytest.raises(KeyUnavailable, match=r"set VAULT_TOKEN or vault\.token"):
        key_source(settings, tmp_path, environ={"VAULT_ADDR": embedded_vault.url}).data_key()


def test_first_users_at_once_end_with_one_key(embedded_vault: Address, root: hvac.Client) -> None:
    keys = source(embedded_vault.url, root.token, kv_path="race/data-key")
    with ThreadPoolExecutor(8) as pool:
        marks = set(pool.map(lambda _: mark(keys.data_key()), range(8)))
    assert len(marks) == 1


def test_the_loser_without_update_right_reads_the_winner(
    embedded_vault: Address, root: hvac.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = embedded_vault.token_file.read_text()
    first = source(embedded_vault.url, token).data_key()
    read, misses = VaultKeySource._read, iter([True])

    def missed_once(self: VaultKeySource, client: Any) -> dict[str, Any] | None:
        return None if next(misses, False) else read(self, client)

    monkeypatch.setattr(VaultKeySource, "_read", missed_once)
    assert mark(source(embedded_vault.url, token).data_key()) == mark(first)


def test_a_sealed_vault_is_named_as_such(own_state: Path) -> None:
    address = ensure_server(own_state)
    hvac.Client(url=address.url, token=json.loads(VaultState(own_state).keys.read_text())["token"]).sys.seal()
    assert "sealed" in refusal(address.url, address.token_file.read_text())


def test_a_vault_that_is_down_is_named_soon() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{unused.getsockname()[1]}"
    started = time.monotonic()
    assert "no connection" in refusal(address)
    assert time.monotonic() - started < 5


def test_a_short_outage_is_bridged(embedded_vault: Address, root: hvac.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    send, outages = requests.Session.send, iter([True, True])

    def reset_twice(*arguments: Any, **options: Any) -> requests.Response:
        if next(outages, False):
            raise requests.ConnectionError("reset by peer")
        return send(*arguments, **options)

    monkeypatch.setattr(requests.Session, "send", reset_twice)
    assert mark(source(embedded_vault.url, root.token, kv_path="outage/data-key").data_key())


def test_a_vault_that_stays_silent_is_given_up_after_the_timeout() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        started = time.monotonic()
        message = refusal(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout=datetime.timedelta(seconds=0.4))
        assert 0.4 <= time.monotonic() - started < 3
    assert "no answer within 0.4 s" in message


def test_a_token_without_rights_is_named_with_its_origin(embedded_vault: Address) -> None:
    assert "not allowed" in refusal(embedded_vault.url)
    assert "the test" in refusal(embedded_vault.url)


def test_a_certificate_of_an_unknown_authority_is_refused(certificate: Path) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    with serving(Answer, tls) as address:
        assert "VAULT_CACERT" in refusal(address)
        trusting = VaultKeySource(
            VaultSettings(), lambda: Endpoint(address, SECRET), environ={"VAULT_CACERT": str(certificate)}
        )
        with pytest.raises(KeyUnavailable, match="not answer like a Vault"):
            trusting.data_key()
        lost = VaultKeySource(VaultSettings(), lambda: Endpoint(address, SECRET), environ={"VAULT_CACERT": "/nowhere"})
        with pytest.raises(KeyUnavailable, match="names no file"):
            lost.data_key()


@pytest.mark.parametrize("body", [b"<html></html>", b'{"data": 1}', b'{"data": {"data": null}}', b"[]"])
def test_what_is_not_a_vault_is_refused(body: bytes) -> None:
    page = type("Page", (Answer,), {"body": body, "content_type": "application/json"})
    with serving(page) as address:
        assert "check VAULT_ADDR" in refusal(address) or "bring it back" in refusal(address)


@pytest.mark.parametrize("address", ["nonsense", "ftp://x", "http://[", "http://127.0.0.1:99999", "http://"])
def test_an_unusable_address_is_refused(address: str) -> None:
    refusal(address)


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("garbage", {"wrapped": "vault:v1:AAAA", "version": 1}),
        ("plain", {"wrapped": "not wrapped", "version": 1}),
        ("type", {"wrapped": 7, "version": 1}),
        ("empty", {"other": "x"}),
    ],
)
def test_a_damaged_data_key_is_refused_and_kept(
    embedded_vault: Address, root: hvac.Client, name: str, secret: dict[str, object]
) -> None:
    path = f"damaged/{name}"
    root.secrets.kv.v2.create_or_update_secret(path, secret)
    refusal(embedded_vault.url, root.token, kv_path=path)
    assert root.secrets.kv.v2.read_secret_version(path, raise_on_deleted_version=True)["data"]["data"] == secret


def test_a_wrapped_key_of_another_length_is_refused(embedded_vault: Address, root: hvac.Client) -> None:
    short = root.secrets.transit.encrypt_data("churn-data", base64.b64encode(b"short").decode())["data"]["ciphertext"]
    root.secrets.kv.v2.create_or_update_secret("short/data-key", {"wrapped": short, "version": 1})
    assert "256-bit" in refusal(embedded_vault.url, root.token, kv_path="short/data-key")


def test_a_deleted_data_key_is_never_replaced_by_a_new_one(embedded_vault: Address, root: hvac.Client) -> None:
    keys = source(embedded_vault.url, root.token, kv_path="deleted/data-key")
    before = mark(keys.data_key())
    root.secrets.kv.v2.delete_latest_version_of_secret("deleted/data-key")
    assert "undelete" in refusal(embedded_vault.url, root.token, kv_path="deleted/data-key")
    root.secrets.kv.v2.undelete_secret_versions("deleted/data-key", [1])
    assert mark(keys.data_key()) == before


@pytest.mark.parametrize("missing", [{"transit_key": "none"}, {"transit_mount": "none"}, {"kv_mount": "none"}])
def test_a_missing_key_or_mount_is_refused(
    embedded_vault: Address, root: hvac.Client, missing: dict[str, object]
) -> None:
    message = refusal(embedded_vault.url, root.token, kv_path="missing/data-key", **missing)
    assert "vault.transit_*" in message
