from collections.abc import Callable

import hvac
import pytest
from hvac.exceptions import Forbidden

from churn.settings import VaultSettings
from vault.client import Endpoint
from vault.datakey import VaultKeySource
from vault.server import Address


def mark(address: Address, token: str) -> bytes:
    key = VaultKeySource(VaultSettings(), lambda: Endpoint(address.url, token), environ={}).data_key()
    return key.fingerprint("customer", "a")


FORBIDDEN_TO_INGESTION: dict[str, Callable[[hvac.Client], object]] = {
    "read another secret": lambda it: it.secrets.kv.v2.read_secret_version(
        "churn/other", raise_on_deleted_version=True
    ),
    "replace the data key": lambda it: it.secrets.kv.v2.create_or_update_secret("churn/data-key", {"wrapped": "x"}),
    "delete the data key": lambda it: it.secrets.kv.v2.delete_latest_version_of_secret("churn/data-key"),
    "export": lambda it: it.secrets.transit.export_key("churn-data", "encryption-key"),
    "rotate": lambda it: it.secrets.transit.rotate_key("churn-data"),
    "see a new key": lambda it: it.secrets.transit.generate_data_key("churn-data", "plaintext"),
    "seal": lambda it: it.sys.seal(),
}


@pytest.mark.parametrize("action", FORBIDDEN_TO_INGESTION)
def test_ingestion_may_do_nothing_but_unwrap_its_key(
    embedded_vault: Address, root: hvac.Client, logged_in: Callable[[str], hvac.Client], action: str
) -> None:
    root.secrets.kv.v2.create_or_update_secret("churn/other", {"password": "x"})
    mark(embedded_vault, embedded_vault.token_file.read_text())
    for client in (logged_in("ingest"), hvac.Client(embedded_vault.url, embedded_vault.token_file.read_text())):
        with pytest.raises(Forbidden):
            FORBIDDEN_TO_INGESTION[action](client)


def test_a_token_reader_unwraps_but_makes_nothing(
    embedded_vault: Address, logged_in: Callable[[str], hvac.Client]
) -> None:
    reader = logged_in("token-reader")
    assert mark(embedded_vault, reader.token) == mark(embedded_vault, embedded_vault.token_file.read_text())
    with pytest.raises(Forbidden):
        reader.secrets.transit.generate_data_key("churn-data", "wrapped")


def test_an_admin_looks_after_keys_without_unwrapping_them(
    embedded_vault: Address, root: hvac.Client, logged_in: Callable[[str], hvac.Client]
) -> None:
    mark(embedded_vault, embedded_vault.token_file.read_text())
    admin = logged_in("admin")
    wrapped = admin.secrets.kv.v2.read_secret_version("churn/data-key", raise_on_deleted_version=True)
    ciphertext = wrapped["data"]["data"]["wrapped"]
    assert admin.secrets.transit.rewrap_data("churn-data", ciphertext)["data"]["ciphertext"].startswith("vault:v")
    with pytest.raises(Forbidden):
        admin.secrets.transit.decrypt_data("churn-data", ciphertext)


def test_the_key_survives_a_rotation_of_the_transit_key(
    embedded_vault: Address, logged_in: Callable[[str], hvac.Client]
) -> None:
    token = embedded_vault.token_file.read_text()
    before = mark(embedded_vault, token)
    logged_in("admin").secrets.transit.rotate_key("churn-data")
    assert mark(embedded_vault, token) == before
