import hashlib
import http.client
import itertools
import json
import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import pytest

from churn.process import command_line, start_mark
from seldon.gateway.envoy import EnvoyMissing, executable
from seldon.gateway.local import LocalDeployment
from seldon.gateway.settings import GatewaySettings
from seldon.gateway.state import Desired, LocalObserved, Server

FAKE = Path(__file__).with_name("fake_server.py")
PREDICTIONS = "/seldon/churn/churn/api/v1.0/predictions"
QUICK: dict[str, Any] = {
    "server": (sys.executable, str(FAKE)),
    "start_seconds": 10,
    "probe_seconds": 0.2,
    "probe_timeout_seconds": 1.0,
    "probe_misses": 2,
    "health_seconds": 0.2,
    "settle_seconds": 0.3,
    "drain_seconds": 3,
    "stop_seconds": 3,
    "longest_back_off_seconds": 1,
}


@dataclass(frozen=True)
class Reply:
    """What a client got: status 0 is no answer at all."""

    customer: str | None
    status: int
    track: str | None
    version: str | None
    request_id: str | None
    began: float
    seconds: float


@dataclass
class Traffic:
    """Clients that ask without a pause, each on a connection of its own."""

    port: int
    replies: list[Reply] = field(default_factory=list)

    def failed(self) -> list[Reply]:
        return [reply for reply in self.replies if reply.status != 200]

    def tracks(self) -> Counter[str | None]:
        return Counter(reply.track for reply in self.replies)


class World:
    """One deployment of fake servers, and clients for it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.deployment = self.with_settings()
        self._generations = itertools.count(1)

    def with_settings(self, **settings: Any) -> LocalDeployment:
        gateway = GatewaySettings(landing=str(self.root / "landing"), **QUICK | settings)
        self.deployment = LocalDeployment(self.root, "churn", "churn", gateway)
        return self.deployment

    def server(self, version: str, **fault: Any) -> Server:
        bundle = self.root / f"bundle-{version}"
        bundle.mkdir(exist_ok=True)
        digest = hashlib.sha256(version.encode()).hexdigest()
        (bundle / "digest").write_text(digest)
        server = Server(version=version, digest=digest, bundle=str(bundle))
        if fault:
            self.breaks(server, **fault)
        return server

    def breaks(self, server: Server, **fault: Any) -> None:
        temporary = Path(server.bundle) / "fault.new"
        temporary.write_text(json.dumps(fault))
        temporary.rename(Path(server.bundle) / "fault.json")

    def desired(self, **state: Any) -> Desired:
        return Desired(namespace="churn", deployment="churn", generation=next(self._generations), **state)

    def apply(self, **state: Any) -> LocalObserved:
        return self.deployment.apply(self.desired(**state), timeout=30.0)

    def observed(self) -> LocalObserved:
        found = self.deployment.observe()
        assert found is not None
        return found

    def wait(self, until: Callable[[LocalObserved], bool], seconds: float = 20.0) -> LocalObserved:
        deadline = time.monotonic() + seconds
        while not until(found := self.observed()):
            assert time.monotonic() < deadline, found
            time.sleep(0.02)
        return found

    def ask(self, customer: str | None = None, *, path: str = PREDICTIONS, method: str = "POST") -> Reply:
        connection = http.client.HTTPConnection("127.0.0.1", self.observed().gateway_port, timeout=20)
        try:
            return ask(connection, customer, path=path, method=method)
        finally:
            connection.close()

    def assignment(self, customers: int) -> dict[str, str | None]:
        return {name: self.ask(name).track for name in map(token, range(customers))}

    @contextmanager
    def traffic(self, clients: int = 3, customers: int = 200) -> Iterator[Traffic]:
        traffic, stop = Traffic(self.observed().gateway_port), threading.Event()
        threads = [
            threading.Thread(target=_ask_on, args=(traffic, stop, number, customers)) for number in range(clients)
        ]
        for thread in threads:
            thread.start()
        try:
            yield traffic
        finally:
            stop.set()
            for thread in threads:
                thread.join()

    def processes(self) -> dict[int, str]:
        """Every process whose command line names this test's folder."""
        pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
        found = {pid: command_line(pid) for pid in pids if start_mark(pid) is not None}
        return {pid: line for pid, line in found.items() if str(self.root) in line}


def token(number: int) -> str:
    return f"cus_{number:032x}"


def ask(
    connection: http.client.HTTPConnection, customer: str | None, *, path: str = PREDICTIONS, method: str = "POST"
) -> Reply:
    headers = {} if customer is None else {"x-customer-id": customer}
    began = time.monotonic()
    try:
        connection.request(method, path, b"{}" if method == "POST" else None, headers)
        response = connection.getresponse()
        response.read()
    except (OSError, http.client.HTTPException):
        connection.close()
        return Reply(customer, 0, None, None, None, began, time.monotonic() - began)
    track, version, request_id = (
        response.getheader(f"x-{name}") for name in ("churn-track", "churn-version", "request-id")
    )
    return Reply(customer, response.status, track, version, request_id, began, time.monotonic() - began)


def _ask_on(traffic: Traffic, stop: threading.Event, number: int, customers: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", traffic.port, timeout=20)
    for turn in itertools.count(number):
        if stop.is_set():
            break
        reply = ask(connection, token(turn % customers))
        traffic.replies.append(reply)
        if reply.status == 0:
            time.sleep(0.01)
    connection.close()


@pytest.fixture
def world(tmp_path: Path, service_missing: Callable[[str], NoReturn]) -> Iterator[World]:
    """A deployment that leaves no process behind, whatever the test did to it."""
    try:
        executable()
    except EnvoyMissing as error:
        service_missing(str(error))
    world = World(tmp_path)
    yield world
    world.deployment.stop()
    left = world.processes()
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert not left
