import base64
import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import hvac
import pytest

from churn.errors import KeyUnavailable
from churn.privacy.keys import DataKey
from churn.settings import VaultSettings
from vault.client import Endpoint
from vault.datakey import VaultKeySource
from vault.server import Address


def part(claims: dict[str, object]) -> str:
    return base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")


POD_TOKEN = ".".join(
    [
        part({"alg": "RS256", "typ": "JWT"}),
        part(
            {
                "iss": "kubernetes",
                "sub": "system:serviceaccount:churn:ingest",
                "aud": ["vault"],
                "iat": 1_700_000_000,
                "nbf": 1_700_000_000,
                "exp": 4_000_000_000,
                "kubernetes.io": {"namespace": "churn", "serviceaccount": {"name": "ingest", "uid": "1"}},
            }
        ),
        base64.urlsafe_b64encode(b"signature").decode().rstrip("="),
    ]
)


class TokenReviews(http.server.BaseHTTPRequestHandler):
    """The one call Vault makes to a Kubernetes API: whose token is this?"""

    def do_POST(self) -> None:
        review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        known = review["spec"]["token"] == POD_TOKEN
        user = {"username": "system:serviceaccount:churn:ingest", "uid": "1", "groups": ["system:serviceaccounts"]}
        audiences = review["spec"].get("audiences", [])
        review["status"] = {"authenticated": known, "user": user if known else {}, "audiences": audiences}
        body = json.dumps({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", **review}).encode()
        self.send_response(201)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Stay quiet."""


@pytest.fixture(scope="module")
def kubernetes_login(root: hvac.Client, certificate: Path) -> Iterator[None]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), TokenReviews) as api:
        threading.Thread(target=api.serve_forever, daemon=True).start()
        root.sys.enable_auth_method("kubernetes")
        root.auth.kubernetes.configure(
            kubernetes_host=f"http://127.0.0.1:{api.server_port}",
            token_reviewer_jwt=POD_TOKEN,
            kubernetes_ca_cert="-----BEGIN CERT" + certificate.read_text().partition("-----BEGIN CERT")[2],
            disable_local_ca_jwt=True,
        )
        root.auth.kubernetes.create_role(
            "churn-ingest",
            bound_service_account_names=["ingest"],
            bound_service_account_namespaces=["churn"],
            policies=["churn-ingest"],
        )
        yield
        api.shutdown()


@pytest.fixture(scope="module")
def app_role(root: hvac.Client) -> tuple[str, str]:
    root.sys.enable_auth_method("approle")
    root.auth.approle.create_or_update_approle("churn-ingest", token_policies=["churn-ingest"])
    role_id = root.auth.approle.read_role_id("churn-ingest")["data"]["role_id"]
    return role_id, root.auth.approle.generate_secret_id("churn-ingest")["data"]["secret_id"]


def data_key(address: Address, settings: VaultSettings, environ: dict[str, str], jwt: Path | None = None) -> DataKey:
    endpoint = Endpoint(address.url)
    given = {} if jwt is None else {"jwt_path": jwt}
    return VaultKeySource(settings, lambda: endpoint, environ=environ, **given).data_key()


def test_an_app_role_logs_in(embedded_vault: Address, app_role: tuple[str, str]) -> None:
    settings = VaultSettings(auth="approle", role_id="env:ROLE", secret_id="env:SECRET")
    assert data_key(embedded_vault, settings, dict(zip(("ROLE", "SECRET"), app_role, strict=True)))
    with pytest.raises(KeyUnavailable, match="login by approle was refused") as caught:
        data_key(embedded_vault, settings, {"ROLE": app_role[0], "SECRET": "wr0ng"})
    assert "wr0ng" not in str(caught.value)
    with pytest.raises(KeyUnavailable, match=r"vault\.secret_id: is not set"):
        data_key(embedded_vault, settings.model_copy(update={"secret_id": None}), {"ROLE": app_role[0]})


@pytest.mark.usefixtures("kubernetes_login")
def test_a_pod_logs_in_with_its_service_account(embedded_vault: Address, tmp_path: Path) -> None:
    settings = VaultSettings(auth="kubernetes")
    jwt = tmp_path / "token"
    with pytest.raises(KeyUnavailable, match="cannot be read"):
        data_key(embedded_vault, settings, {}, jwt)
    jwt.write_text(POD_TOKEN)
    assert data_key(embedded_vault, settings, {}, jwt)
    jwt.write_text(POD_TOKEN + "x")
    with pytest.raises(KeyUnavailable) as caught:
        data_key(embedded_vault, settings, {}, jwt)
    assert POD_TOKEN not in str(caught.value)
