"""From an empty store to one that ingestion can use; every step may be repeated and taken up after an interruption."""

import json
import time
from pathlib import Path
from typing import Final

import hvac
from hvac.exceptions import Forbidden, InvalidPath, InvalidRequest

from churn.errors import KeyUnavailable
from churn.settings import VaultSettings
from vault.state import VaultState

POLICIES: Final = Path(__file__).parent / "policies"
POLICY_PREFIX: Final = "churn-"
_TOKEN_PERIOD: Final = "768h"
_WAY_OUT: Final = (
    "bring it back from a copy. To start over, move the whole folder away: customers then get new tokens, so the lake "
    "must start over as well"
)


class InitInterrupted(Exception):
    """The store was initialised but its keys never reached us, so that it is of no use to anyone."""


def initialise(client: hvac.Client, state: VaultState) -> None:
    """Initialise the store once and keep its keys.

    The mark `initialising` is set before and removed after the keys are on disk. Nothing is ever asked of the store
    before that, so a store with the mark and without keys has never held a data key.

    Raises:
        InitInterrupted: such a store was found.
        KeyUnavailable: the keys or the store of an embedded vault in use are gone.
    """
    initialised = client.sys.read_seal_status()["initialized"]
    if not initialised and state.keys.exists():
        raise KeyUnavailable(
            f"{state.folder}: the embedded vault has keys but its store {state.data.name}/ is empty; {_WAY_OUT}"
        )
    if initialised and not state.keys.exists():
        if state.initialising.exists():
            raise InitInterrupted
        raise KeyUnavailable(
            f"{state.folder}: {state.keys.name} is missing, so the embedded vault stays sealed; {_WAY_OUT}"
        )
    if not initialised:
        state.write(state.initialising, "")
        answer = client.sys.initialize(secret_shares=1, secret_threshold=1)
        state.write(state.keys, json.dumps({"unseal_key": answer["keys_base64"][0], "token": answer["root_token"]}))
    state.initialising.unlink(missing_ok=True)


def unseal(client: hvac.Client, state: VaultState, *, patience: float = 30.0) -> None:
    """Unseal the store and wait until it serves requests.

    Raises:
        KeyUnavailable: the key does not fit, or the server does not become active.
    """
    if client.sys.is_sealed():
        try:
            client.sys.submit_unseal_key(_keys(state)["unseal_key"])
        except InvalidRequest:
            raise KeyUnavailable(
                f"{state.keys}: does not open {state.data}; they belong to different vaults. Bring the pair back from "
                "one copy"
            ) from None
    deadline = time.monotonic() + patience
    while not is_active(client):
        if time.monotonic() > deadline:
            raise KeyUnavailable(f"{state.folder}: the embedded vault does not become active; see {state.log}")
        time.sleep(0.02)


def is_active(client: hvac.Client) -> bool:
    """Tell whether the server is initialised, unsealed and serving."""
    return isinstance(client.sys.read_health_status(method="GET"), dict)


def provision(client: hvac.Client, state: VaultState) -> None:
    """Enable the engines, create the transit key and the policies, and keep a living ingestion token."""
    client.token = _keys(state)["token"]
    names = VaultSettings()
    mounted = client.sys.list_mounted_secrets_engines()["data"]
    if f"{names.transit_mount}/" not in mounted:
        client.sys.enable_secrets_engine("transit", path=names.transit_mount)
    if f"{names.kv_mount}/" not in mounted:
        client.sys.enable_secrets_engine("kv", path=names.kv_mount, options={"version": "2"})
    try:
        client.secrets.transit.read_key(names.transit_key, mount_point=names.transit_mount)
    except InvalidPath:
        client.secrets.transit.create_key(names.transit_key, mount_point=names.transit_mount)
    for policy in sorted(POLICIES.glob("*.hcl")):
        client.sys.create_or_update_policy(f"{POLICY_PREFIX}{policy.stem}", policy.read_text(encoding="utf-8"))
    if not _renewed(client, state):
        token = issue_token(client, "ingest", period=_TOKEN_PERIOD)
        state.write(state.ingest_token, token)


def issue_token(client: hvac.Client, policy: str, *, period: str) -> str:
    """Create a token that holds one of our policies and nothing else, and lives as long as it is renewed in time."""
    answer = client.auth.token.create_orphan(
        policies=[f"{POLICY_PREFIX}{policy}"],
        period=period,
        no_default_policy=True,
        display_name=f"{POLICY_PREFIX}{policy}",
    )
    return str(answer["auth"]["client_token"])


def _renewed(client: hvac.Client, state: VaultState) -> bool:
    try:
        client.auth.token.renew(state.ingest_token.read_text(encoding="utf-8"))
    except (FileNotFoundError, Forbidden, InvalidRequest):
        return False
    return True


def _keys(state: VaultState) -> dict[str, str]:
    try:
        return {str(name): str(value) for name, value in json.loads(state.keys.read_text(encoding="utf-8")).items()}
    except (OSError, ValueError, AttributeError):
        raise KeyUnavailable(f"{state.keys}: cannot be read; bring it back from a copy") from None
