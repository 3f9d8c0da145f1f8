"""A logged-in Vault client, and Vault's many ways to fail told as one error that names the way out."""

import os
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar

import hvac
from hvac import exceptions as vault_errors
from requests import exceptions as http_errors

from churn.errors import KeyUnavailable
from churn.log import get_logger
from churn.settings import VaultSettings
from vault.references import resolve

log = get_logger(__name__)

SERVICE_ACCOUNT_TOKEN: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")
_RETRIES: Final = 2
_BACKOFF: Final = 0.1

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Endpoint:
    """A Vault and, for auth by token, the token.

    Attributes:
        token_origin: where the token came from, for messages.
    """

    address: str
    token: str = field(default="", repr=False)
    token_origin: str = "none"


@dataclass(frozen=True)
class VaultClient:
    """`hvac` with bounded waiting and errors of ours; every request goes through `ask`."""

    api: hvac.Client = field(repr=False)
    endpoint: Endpoint
    timeout: float

    def ask(self, purpose: str, request: Callable[[], Answer]) -> Answer:
        """Make one request.

        A refused or reset connection is tried again, at most twice and never beyond the time-out; a server that
        accepts and stays silent is not.

        Args:
            purpose: what is being done, for the message.
            request: sends it.

        Raises:
            KeyUnavailable: no usable answer. It carries no cause: those of `requests` hold the token.
            hvac.exceptions.InvalidPath: nothing is at that path.
            hvac.exceptions.InvalidRequest: the server refuses what is asked.
        """
        deadline = time.monotonic() + self.timeout
        attempt = 0
        while True:
            problem, retry = "", False
            try:
                return request()
            except (vault_errors.InvalidPath, vault_errors.InvalidRequest):
                raise
            except (vault_errors.VaultError, http_errors.RequestException) as error:
                problem, retry = self._explain(error)
            pause = _BACKOFF * 2**attempt
            attempt += 1
            if not retry or attempt > _RETRIES or time.monotonic() + pause > deadline:
                raise KeyUnavailable(f"{self.endpoint.address}: {purpose}: {problem}")
            time.sleep(pause)

    def _explain(self, error: Exception) -> tuple[str, bool]:
        """Return what happened with the way out, and whether trying again makes sense."""
        match error:
            case vault_errors.VaultDown():
                return "the vault is sealed; unseal it (bao operator unseal)", False
            case vault_errors.Forbidden() | vault_errors.Unauthorized():
                origin = self.endpoint.token_origin
                return f"not allowed; check the role, its policy and the lifetime of the token (from {origin})", False
            case vault_errors.VaultNotInitialized():
                return "the vault is not initialised (bao operator init)", False
            case vault_errors.RateLimitExceeded():
                return "the vault is standing by or limits the rate; try again later", False
            case vault_errors.VaultError():
                return f"the vault failed ({type(error).__name__}); see its log", False
            case http_errors.SSLError():
                return "the certificate is not trusted; set VAULT_CACERT to the file of its authority", False
            case http_errors.Timeout():
                return f"no answer within {self.timeout:g} s; check the server or raise vault.timeout", False
            case http_errors.ConnectionError():
                return "no connection; check VAULT_ADDR or vault.address and that the server runs", True
            case _:
                return f"not a usable address or answer ({type(error).__name__}); check VAULT_ADDR", False


def connect(
    settings: VaultSettings,
    endpoint: Endpoint,
    *,
    environ: Mapping[str, str] = os.environ,
    jwt_path: Path = SERVICE_ACCOUNT_TOKEN,
) -> VaultClient:
    """Log in the way `settings.auth` says.

    Args:
        settings: how to log in and how long to wait.
        endpoint: where, with the token for auth by token.
        environ: source of `env:` references, `VAULT_CACERT` and `VAULT_NAMESPACE`.
        jwt_path: the pod's service account token, for auth by kubernetes.

    Raises:
        KeyUnavailable: the login fails or a secret it needs is not there.
    """
    authority = environ.get("VAULT_CACERT")
    if authority and not Path(authority).is_file():
        raise KeyUnavailable(f"{authority}: VAULT_CACERT names no file; correct or unset it")
    local = re.match(r"https?://(127\.0\.0\.1|localhost|\[::1\])(:|/|$)", endpoint.address) is not None
    if endpoint.address.startswith("http://") and not local:
        log.warning("vault_without_tls", address=endpoint.address)
    timeout = settings.timeout.total_seconds()
    api = hvac.Client(
        url=endpoint.address,
        token=endpoint.token,
        timeout=timeout,
        verify=authority or True,
        namespace=environ.get("VAULT_NAMESPACE") or None,
    )
    if local:
        api.session.trust_env = False
    client = VaultClient(api, endpoint, timeout)
    if settings.auth == "approle":
        role_id = _secret(settings.role_id, "vault.role_id", environ)
        secret_id = _secret(settings.secret_id, "vault.secret_id", environ)
        _login(client, "approle", lambda: api.auth.approle.login(role_id=role_id, secret_id=secret_id))
    elif settings.auth == "kubernetes":
        jwt = resolve(f"file:{jwt_path}", purpose="vault.auth kubernetes", environ=environ)
        _login(client, "kubernetes", lambda: api.auth.kubernetes.login(role=settings.role, jwt=jwt))
    return client


def _login(client: VaultClient, method: str, login: Callable[[], object]) -> None:
    refused = False
    try:
        client.ask(f"login by {method}", login)
    except (vault_errors.InvalidPath, vault_errors.InvalidRequest):
        refused = True
    if refused:
        raise KeyUnavailable(
            f"{client.endpoint.address}: login by {method} was refused; check that auth/{method} is enabled and that "
            "the role and its credentials exist"
        )


def _secret(reference: str | None, purpose: str, environ: Mapping[str, str]) -> str:
    if reference is None:
        raise KeyUnavailable(f"{purpose}: is not set; give env:NAME or file:PATH")
    return resolve(reference, purpose=purpose, environ=environ)
