"""The data key: kept wrapped in KV, made and unwrapped by transit, in the clear only in memory."""

import base64
import binascii
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from hvac.exceptions import InvalidPath, InvalidRequest

from churn.errors import KeyUnavailable
from churn.log import get_logger
from churn.privacy.keys import DataKey, KeySource
from churn.settings import VaultSettings
from vault.client import SERVICE_ACCOUNT_TOKEN, Endpoint, VaultClient, connect
from vault.references import resolve

log = get_logger(__name__)

EMBEDDED_STATE: Final = Path(".churn") / "vault"
_KEY_BITS: Final = 256


class VaultKeySource:
    """Unwraps the data key with Vault transit, making it on first use; two first users end with one key."""

    def __init__(
        self,
        settings: VaultSettings,
        endpoint: Callable[[], Endpoint],
        *,
        environ: Mapping[str, str] = os.environ,
        jwt_path: Path = SERVICE_ACCOUNT_TOKEN,
    ) -> None:
        self._settings = settings
        self._endpoint = endpoint
        self._environ = environ
        self._jwt_path = jwt_path

    def data_key(self) -> DataKey:
        """Return the data key.

        Raises:
            KeyUnavailable: whatever went wrong; nothing may be tokenised.
        """
        endpoint = self._endpoint()
        client = connect(self._settings, endpoint, environ=self._environ, jwt_path=self._jwt_path)
        refusal = ""
        try:
            stored = self._read(client) or self._create(client)
            return self._unwrap(client, stored)
        except InvalidPath:
            refusal = f"nothing is mounted at {self._settings.kv_mount}/ or {self._settings.transit_mount}/"
        except InvalidRequest:
            refusal = (
                f"{self._transit} cannot unwrap or make the data key: the transit key is missing, or {self._place} was "
                "wrapped by another one"
            )
        raise KeyUnavailable(f"{endpoint.address}: {refusal}; check vault.kv_* and vault.transit_* in the settings")

    @property
    def _place(self) -> str:
        return f"{self._settings.kv_mount}/{self._settings.kv_path}"

    @property
    def _transit(self) -> str:
        return f"{self._settings.transit_mount}/{self._settings.transit_key}"

    def _read(self, client: VaultClient) -> dict[str, Any] | None:
        settings = self._settings
        try:
            answer = client.ask(
                f"reading {self._place}",
                lambda: client.api.secrets.kv.v2.read_secret_version(
                    settings.kv_path, mount_point=settings.kv_mount, raise_on_deleted_version=True
                ),
            )
        except InvalidPath:
            return None
        secret = _member(client, answer, "data", "data")
        if not isinstance(secret, dict):
            raise KeyUnavailable(f"{client.endpoint.address}: {self._place} holds no data key; bring it back")
        return secret

    def _create(self, client: VaultClient) -> dict[str, Any]:
        """Make a data key, already wrapped, and store it unless another one was first."""
        settings = self._settings
        answer = client.ask(
            f"making a data key with {self._transit}",
            lambda: client.api.secrets.transit.generate_data_key(
                settings.transit_key, "wrapped", bits=_KEY_BITS, mount_point=settings.transit_mount
            ),
        )
        secret = {"wrapped": _member(client, answer, "data", "ciphertext"), "version": 1}
        lost: KeyUnavailable | None = None
        try:
            client.ask(
                f"storing {self._place}",
                lambda: client.api.secrets.kv.v2.create_or_update_secret(
                    settings.kv_path, secret, cas=0, mount_point=settings.kv_mount
                ),
            )
        except InvalidRequest:
            pass
        except KeyUnavailable as error:
            lost = error
        else:
            log.info("data_key_created", address=client.endpoint.address, path=self._place)
        # A policy without `update` answers "forbidden" where another writer was first, so reading again decides.
        stored = self._read(client)
        if stored is not None:
            return stored
        raise lost or KeyUnavailable(
            f"{client.endpoint.address}: {self._place} was deleted; bring it back with `bao kv undelete`: without it "
            "every customer would get a new token"
        )

    def _unwrap(self, client: VaultClient, stored: Mapping[str, Any]) -> DataKey:
        settings = self._settings
        wrapped, version = stored.get("wrapped"), stored.get("version")
        if not isinstance(wrapped, str) or version is None:
            raise KeyUnavailable(f"{client.endpoint.address}: {self._place} holds no wrapped data key; bring it back")
        answer = client.ask(
            f"unwrapping the data key with {self._transit}",
            lambda: client.api.secrets.transit.decrypt_data(
                settings.transit_key, wrapped, mount_point=settings.transit_mount
            ),
        )
        plaintext = _member(client, answer, "data", "plaintext")
        secret = b""
        with suppress(TypeError, binascii.Error):
            secret = base64.b64decode(plaintext, validate=True)
        if len(secret) * 8 != _KEY_BITS:
            raise KeyUnavailable(
                f"{client.endpoint.address}: {self._place} unwraps to something that is not a {_KEY_BITS}-bit key; "
                "bring back the original"
            )
        return DataKey(secret, str(version))


def key_source(settings: VaultSettings, root: Path, *, environ: Mapping[str, str] = os.environ) -> KeySource:
    """Return where the data key comes from; nothing is contacted or started before it is asked for.

    The address is `VAULT_ADDR`, else `settings.address`, else that of the embedded server below `root`. The token is
    the one `settings.token` refers to, else `VAULT_TOKEN`, else that of the embedded server.
    """
    return VaultKeySource(settings, lambda: _locate(settings, root, environ), environ=environ)


def _locate(settings: VaultSettings, root: Path, environ: Mapping[str, str]) -> Endpoint:
    address = environ.get("VAULT_ADDR") or settings.address
    token_file: Path | None = None
    if not address:
        from vault.server import ensure_server

        embedded = ensure_server(root / EMBEDDED_STATE)
        address, token_file = embedded.url, embedded.token_file
    if settings.auth != "token":
        return Endpoint(address, token_origin=f"auth/{settings.auth}")
    if settings.token is not None:
        return Endpoint(address, resolve(settings.token, purpose="vault.token", environ=environ), settings.token)
    if environ.get("VAULT_TOKEN"):
        return Endpoint(address, environ["VAULT_TOKEN"], "VAULT_TOKEN")
    if token_file is not None:
        reference = f"file:{token_file}"
        return Endpoint(address, resolve(reference, purpose="embedded vault", environ=environ), reference)
    raise KeyUnavailable(f"{address}: no token; set VAULT_TOKEN or vault.token, or choose another vault.auth")


def _member(client: VaultClient, answer: object, *path: str) -> Any:  # noqa: ANN401 - JSON of a server we do not trust
    """Return a nested member of an answer; anything but a Vault answers without it."""
    for name in path:
        if not isinstance(answer, Mapping) or name not in answer:
            raise KeyUnavailable(f"{client.endpoint.address}: does not answer like a Vault; check VAULT_ADDR")
        answer = answer[name]
    return answer
