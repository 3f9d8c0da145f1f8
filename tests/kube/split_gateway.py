"""Envoy beside the cluster, in place of its ingress; and, in place of Seldon's executors, who counts requests.

Weights are drawn for each request, as Istio and Ambassador do for a SeldonDeployment. The metrics have the executor's
names, labels and meaning, and come from Envoy's statistics of each predictor.
"""

import json
import re
import subprocess
import threading
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from seldon.gateway.envoy import executable

HOST = "10.250.0.1"
_HTTP = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
_ROUTER = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"
_ROUTES = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration"
_CLUSTER = "type.googleapis.com/envoy.config.cluster.v3.Cluster"


@dataclass(frozen=True)
class Share:
    """A predictor as the gateway knows it."""

    address: str
    port: int
    traffic: int
    shadow: bool


class SplitGateway:
    def __init__(self, folder: Path, ports: list[int], namespace: str, deployment: str) -> None:
        self.folder = folder
        self.port, self.admin_port, self.metrics_port = ports
        self.namespace, self.deployment = namespace, deployment
        self._written: Mapping[str, Share] | None = None
        self._envoy: subprocess.Popen[bytes] | None = None
        self._metrics: ThreadingHTTPServer | None = None

    def start(self) -> None:
        self.route({})
        (self.folder / "envoy.json").write_text(json.dumps(self._bootstrap()))
        command = [executable(), "-c", str(self.folder / "envoy.json"), "--concurrency", "1", "--disable-hot-restart"]
        with (self.folder / "envoy.log").open("wb") as log:
            self._envoy = subprocess.Popen(command, stdout=log, stderr=log)
        gateway = self

        class Metrics(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                content = gateway.metrics().encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                pass

        self._metrics = ThreadingHTTPServer((HOST, self.metrics_port), Metrics)
        threading.Thread(target=self._metrics.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        if self._metrics:
            self._metrics.shutdown()
            self._metrics.server_close()
        if self._envoy:
            self._envoy.kill()
            self._envoy.wait()

    def route(self, shares: Mapping[str, Share]) -> None:
        """Follow predictors; clusters come before the route that names them, and go after it."""
        if shares == self._written:
            return
        both = {**(self._written or {}), **shares}
        self._write("clusters", [self._cluster(name, share) for name, share in both.items()])
        self._write("routes", [self._routes(shares)])
        self._written = dict(shares)

    def metrics(self) -> str:
        """What executors would say of requests that came from the ingress."""
        url = f"http://{HOST}:{self.admin_port}/stats?filter=^cluster\\.(stable|canary)\\.upstream_rq_[0-9]*$"
        with urllib.request.urlopen(url, timeout=2) as answer:
            lines = answer.read().decode().splitlines()
        found = [
            (match[1], match[2], match[3])
            for line in lines
            if (match := re.fullmatch(r"cluster\.(\w+)\.upstream_rq_(\d{3}): (\d+)", line))
        ]
        return "".join(
            f'seldon_api_executor_server_requests_seconds_count{{code="{code}",deployment_name="{self.deployment}",'
            f'method="post",predictor_name="{track}",predictor_version="",service="predictions"}} {count}\n'
            for track, code, count in found
        )

    def _write(self, name: str, resources: list[dict[str, Any]]) -> None:
        draft = self.folder / f"{name}.tmp"
        draft.write_text(json.dumps({"version_info": str(id(resources)), "resources": resources}))
        draft.rename(self.folder / f"{name}.json")

    def _cluster(self, name: str, share: Share) -> dict[str, Any]:
        address = {"socket_address": {"address": share.address, "port_value": share.port}}
        return {
            "@type": _CLUSTER,
            "name": name,
            "type": "STATIC",
            "connect_timeout": "1s",
            "load_assignment": {
                "cluster_name": name,
                "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
            },
        }

    def _routes(self, shares: Mapping[str, Share]) -> dict[str, Any]:
        path = f"/seldon/{self.namespace}/{self.deployment}/"
        answering = {name: share for name, share in shares.items() if not share.shadow}
        route: dict[str, Any] = {"match": {"prefix": path}}
        if answering:
            weights = [{"name": name, "weight": share.traffic or 100} for name, share in answering.items()]
            route["route"] = {
                "weighted_clusters": {"clusters": weights},
                "regex_rewrite": {"pattern": {"regex": f"^{path}"}, "substitution": "/"},
                "retry_policy": {"retry_on": "connect-failure,refused-stream,reset", "num_retries": 3},
                "request_mirror_policies": [{"cluster": name} for name, share in shares.items() if share.shadow],
            }
        else:
            route["direct_response"] = {"status": 503}
        hosts = [{"name": "all", "domains": ["*"], "routes": [route]}]
        return {"@type": _ROUTES, "name": "routes", "virtual_hosts": hosts}

    def _bootstrap(self) -> dict[str, Any]:
        def file(name: str) -> dict[str, Any]:
            watched = {"path": str(self.folder / f"{name}.json"), "watched_directory": {"path": str(self.folder)}}
            return {"path_config_source": watched, "resource_api_version": "V3"}

        manager = {
            "@type": _HTTP,
            "stat_prefix": "in",
            "rds": {"route_config_name": "routes", "config_source": file("routes")},
            "http_filters": [{"name": "router", "typed_config": {"@type": _ROUTER}}],
        }
        return {
            "node": {"id": "stand-in", "cluster": "stand-in"},
            "admin": {"address": {"socket_address": {"address": HOST, "port_value": self.admin_port}}},
            "dynamic_resources": {"cds_config": file("clusters")},
            "static_resources": {
                "listeners": [
                    {
                        "name": "in",
                        "address": {"socket_address": {"address": HOST, "port_value": self.port}},
                        "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
                    }
                ]
            },
        }
