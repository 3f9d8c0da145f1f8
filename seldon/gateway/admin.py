"""Questions to a process on loopback: Envoy's admin API, and whether a server is the right one and ready."""

import http.client
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from seldon.gateway.clusters import READY
from seldon.gateway.state import Server

_SECONDS = 2.0


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Host:
    """Envoy's view of a server: whether it gets requests, and how many it has at the moment."""

    healthy: bool
    active: int


def ask(port: int, path: str, *, method: str = "GET", timeout: float = _SECONDS) -> Answer | None:
    """Return the answer of whatever listens on this port of loopback; None when there is none in time."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request(method, path)
        response = connection.getresponse()
        headers = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, headers, response.read())
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def serves(server: Server, port: int, timeout: float) -> bool:
    """Tell whether this very bundle is served there, warmed up and not draining."""
    answer = ask(port, READY, timeout=timeout)
    return answer is not None and answer.status == 200 and answer.headers.get("x-churn-digest") == server.digest[:12]


def lives(port: int, timeout: float) -> bool:
    """Tell whether a server process answers at all, busy or draining."""
    answer = ask(port, "/health/ping", timeout=timeout)
    return answer is not None and answer.status == 200


def envoy_ready(port: int, timeout: float = _SECONDS) -> bool:
    """Tell whether Envoy has its first configuration and listens."""
    answer = ask(port, "/ready", timeout=timeout)
    return answer is not None and answer.status == 200


def hosts(port: int) -> dict[str, Host]:
    """Return Envoy's servers by cluster; empty when it does not answer."""
    statuses = _json(port, "/clusters?format=json").get("cluster_statuses", [])
    return {cluster["name"]: _host(cluster["host_statuses"][0]) for cluster in statuses if cluster.get("host_statuses")}


def route_version(port: int) -> str | None:
    """Return the version of the routes that Envoy uses."""
    found = _json(port, "/config_dump?resource=dynamic_route_configs").get("configs", [])
    return str(found[0]["version_info"]) if found and "version_info" in found[0] else None


def set_runtime(port: int, values: Mapping[str, str]) -> bool:
    """Override runtime values in this Envoy, for its lifetime; tell whether it has taken them."""
    if not values:
        return False
    answer = ask(port, f"/runtime_modify?{urlencode(values)}", method="POST")
    return answer is not None and answer.status == 200


def reopen_logs(port: int) -> None:
    """Let Envoy make its access log anew after it was moved away."""
    ask(port, "/reopen_logs", method="POST")


def drain(port: int, seconds: float) -> None:
    """Accept no further connection, close each with its next answer, and wait for that, `seconds` at most."""
    ask(port, "/healthcheck/fail", method="POST")
    ask(port, "/drain_listeners", method="POST")
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and any(stats(port, r"^http\.gateway\.downstream_rq_active$").values()):
        time.sleep(0.05)


def stats(port: int, pattern: str) -> dict[str, int]:
    """Return Envoy's counters and gauges whose name matches; empty when it does not answer."""
    found = _json(port, f"/stats?format=json&filter={quote(pattern)}").get("stats", [])
    return {entry["name"]: int(entry["value"]) for entry in found if "value" in entry}


def _json(port: int, path: str) -> dict[str, Any]:
    answer = ask(port, path)
    if answer is None or answer.status != 200:
        return {}
    try:
        document = json.loads(answer.body)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _host(status: Mapping[str, Any]) -> Host:
    health = status.get("health_status", {})
    failed = any(health.get(name) for name in ("failed_active_health_check", "failed_outlier_check"))
    active = sum(int(stat.get("value", 0)) for stat in status.get("stats", []) if stat["name"] == "rq_active")
    return Host(not failed and health.get("eds_health_status") == "HEALTHY", active)
