import datetime
import ipaddress
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import hvac
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from vault.server import Address, ensure_server, stop_server
from vault.state import VaultState


@pytest.fixture(scope="session")
def embedded_vault(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Address]:
    """A real OpenBao with the embedded server's set-up; tests with a key of their own use another KV path."""
    state = tmp_path_factory.mktemp("vault") / "state"
    yield ensure_server(state)
    stop_server(state, patience=0.0)


@pytest.fixture(scope="session")
def root(embedded_vault: Address) -> hvac.Client:
    """A client that may do everything."""
    return root_client(embedded_vault)


@pytest.fixture(scope="session")
def _stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    state = tmp_path_factory.mktemp("template") / "state"
    ensure_server(state)
    stop_server(state)
    return state


@pytest.fixture
def own_state(_stopped: Path, tmp_path: Path) -> Iterator[Path]:
    """The state folder of a stopped server that the test may break; whatever runs there at the end is stopped."""
    state = tmp_path / "state"
    shutil.copytree(_stopped, state)
    yield state
    stop_server(state, patience=0.0)


@pytest.fixture
def new_state(tmp_path: Path) -> Iterator[Path]:
    """A state folder that does not exist yet."""
    yield tmp_path / "a folder" / "state"
    stop_server(tmp_path / "a folder" / "state", patience=0.0)


@pytest.fixture
def logged_in(embedded_vault: Address) -> Callable[[str], hvac.Client]:
    """Returns a client that holds one of our policies and nothing else."""
    root = root_client(embedded_vault)

    def login(policy: str) -> hvac.Client:
        answer = root.auth.token.create(policies=[f"churn-{policy}"], no_default_policy=True, ttl="1h")
        return hvac.Client(url=embedded_vault.url, token=answer["auth"]["client_token"])

    return login


def root_client(address: Address) -> hvac.Client:
    keys = json.loads(VaultState(address.token_file.parent).keys.read_text())
    return hvac.Client(url=address.url, token=keys["token"])


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of 127.0.0.1 that signs itself, with its key, in one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "certificate.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path
