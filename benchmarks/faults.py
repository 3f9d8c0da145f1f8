"""What clients see when something breaks: `python -m benchmarks.faults`; `--write` puts it into docs/deployments.md.

A deployment of its own for each fault: two real servers behind Envoy with default settings, half of the customers with
the canary. Clients ask without a pause, each on a connection that it keeps; one that fails is counted and asks again.
"""

import argparse
import http.client
import itertools
import json
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.contender import Material
from benchmarks.measure import ROOT
from benchmarks.serving import make_material
from benchmarks.tables import circumstances, table, written
from seldon.gateway.envoy import EnvoyMissing, executable
from seldon.gateway.local import LocalDeployment
from seldon.gateway.settings import GatewaySettings, default_server
from seldon.gateway.state import Desired, LocalObserved, LocalServer, Server

CLIENTS, CUSTOMERS = 4, 500
BEFORE, AFTER = 1.0, 4.0
"""Seconds of traffic before a fault, and at least so many after it."""
PATIENCE = 60.0
PAGE = ROOT / "docs" / "deployments.md"


class Reply(NamedTuple):
    """What a client got; status 0 is no answer at all. `began` is by `time.monotonic`."""

    status: int
    track: str | None
    began: float
    seconds: float


@dataclass
class Stage:
    """A deployment, the two versions that it may serve, and what clients got from it."""

    deployment: LocalDeployment
    old: Server
    new: Server
    replies: list[Reply] = field(default_factory=list)
    _generations: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def apply(self, **state: Any) -> float:  # noqa: ANN401 - fields of `Desired`
        """Make it so; returns the seconds that took."""
        begun = time.monotonic()
        desired = Desired(namespace="churn", deployment="churn", generation=next(self._generations), **state)
        self.deployment.apply(desired)
        return time.monotonic() - begun

    def split(self, weight: int) -> float:
        """Give the canary so many percent of the customers; returns the seconds that took."""
        return self.apply(stable=self.old, canary=self.new, canary_weight=weight, salt="faults")

    def seen(self) -> LocalObserved:
        """Return what serves now."""
        observed = self.deployment.observe()
        assert observed is not None
        return observed

    def kill(self, *servers: LocalServer | None, by: signal.Signals = signal.SIGKILL) -> float:
        """End servers; returns the seconds until each has another process and all is ready."""
        pids = {server.pid for server in servers if server is not None}
        return self._until(pids, [pid for pid in pids if pid is not None], by)

    def kill_gateway(self) -> float:
        """End Envoy; returns the seconds until it is there again."""
        pid = self.seen().gateway_pid
        assert pid is not None
        return self._until({pid}, [pid], signal.SIGKILL)

    def _until(self, gone: set[int | None], pids: Sequence[int], by: signal.Signals) -> float:
        begun = time.monotonic()
        for pid in pids:
            os.kill(pid, by)
        while time.monotonic() - begun < PATIENCE:
            seen = self.seen()
            there = {seen.gateway_pid, *(server.pid for server in (seen.stable, seen.canary) if server is not None)}
            if seen.ready and not there & {*gone, None}:
                return time.monotonic() - begun
            time.sleep(0.02)
        raise RuntimeError(f"not whole again within {PATIENCE:.0f} s: {self.seen()}")


def _weights(stage: Stage) -> float:
    took = [stage.split(weight) for weight in (5, 25, 50, 100)]
    return max(*took, stage.apply(stable=stage.new))


def _rollback(stage: Stage) -> float:
    return stage.apply(stable=stage.old)


def _canary_killed(stage: Stage) -> float:
    return stage.kill(stage.seen().canary)


def _stable_killed(stage: Stage) -> float:
    return stage.kill(stage.seen().stable)


def _both_killed(stage: Stage) -> float:
    seen = stage.seen()
    return stage.kill(seen.stable, seen.canary)


def _canary_hangs(stage: Stage) -> float:
    return stage.kill(stage.seen().canary, by=signal.SIGSTOP)


def _supervisor_killed(stage: Stage) -> float:
    pid = stage.seen().supervisor_pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    time.sleep(AFTER / 2)
    return stage.split(50)


FAULTS: Sequence[tuple[str, int, Callable[[Stage], float]]] = (
    ("weights 5 → 25 → 50 → 100, promotion", 5, _weights),
    ("rollback at 50 %", 50, _rollback),
    ("canary killed at 50 %", 50, _canary_killed),
    ("stable killed at 50 %", 50, _stable_killed),
    ("both killed at once", 50, _both_killed),
    ("stable killed when it is alone", 0, _stable_killed),
    ("canary hangs", 50, _canary_hangs),
    ("Envoy killed", 50, Stage.kill_gateway),
    ("supervisor killed", 50, _supervisor_killed),
)
"""What happens, the canary's percent before it, and how it is done: that returns the seconds until all is well."""


def observe(
    old: Material, new: Material, landing: Path, weight: int, breaks: Callable[[Stage], float]
) -> tuple[Stage, float, float]:
    """Break something under traffic; returns the stage, when it broke, and the seconds until all was well again."""
    settings = GatewaySettings(landing=str(landing), server=default_server(ROOT, sys.executable))
    with tempfile.TemporaryDirectory(dir=os.environ.get("CHURN_BENCH_DIR")) as root:
        deployment = LocalDeployment(Path(root), "churn", "churn", settings)
        stage = Stage(deployment, _server("7", old), _server("8", new))
        try:
            if weight:
                stage.split(weight)
            else:
                stage.apply(stable=stage.old)
            with traffic(stage, json.dumps(old.ndarray(1)).encode()):
                time.sleep(BEFORE)
                broke = time.monotonic()
                well = breaks(stage)
                time.sleep(AFTER)
            return stage, broke, well
        finally:
            stage.deployment.stop()


def _server(version: str, material: Material) -> Server:
    return Server(version=version, digest=material.bundle.digest, bundle=str(material.bundle.path.resolve()))


@contextmanager
def traffic(stage: Stage, body: bytes) -> Iterator[None]:
    """Let clients ask while the body of the statement runs."""
    stop = threading.Event()
    port = stage.seen().gateway_port
    clients = [threading.Thread(target=_ask, args=(stage.replies, stop, port, body, n)) for n in range(CLIENTS)]
    for client in clients:
        client.start()
    try:
        yield
    finally:
        stop.set()
        for client in clients:
            client.join()


def _ask(replies: list[Reply], stop: threading.Event, port: int, body: bytes, first: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    for turn in itertools.count(first, CLIENTS):
        if stop.is_set():
            break
        headers = {"content-type": "application/json", "x-customer-id": f"cus_{turn % CUSTOMERS:032x}"}
        began = time.monotonic()
        status, track = 0, None
        try:
            connection.request("POST", "/seldon/churn/churn/api/v1.0/predictions", body, headers)
            answer = connection.getresponse()
            answer.read()
            status, track = answer.status, answer.getheader("x-churn-track")
        except (OSError, http.client.HTTPException):
            connection.close()
            time.sleep(0.01)
        replies.append(Reply(status, track, began, time.monotonic() - began))
    connection.close()


def line(fault: str, stage: Stage, broke: float, well: float) -> list[str]:
    """Return a fault's line of the table."""
    failed = [reply for reply in stage.replies if reply.status != 200]
    after = [reply for reply in stage.replies if reply.status == 200 and reply.began + reply.seconds > broke]
    away = f"{max(reply.began for reply in failed) - broke:.2f}" if failed else "–"
    return [
        fault,
        f"{len(failed)} of {len(stage.replies):,}",
        away,
        f"{max(reply.seconds for reply in after):.2f}",
        f"{well:.2f}",
    ]


def main() -> None:
    """Break one thing after another, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help=f"put the table into {PAGE.relative_to(ROOT)}")
    options = parser.parse_args()
    try:
        executable()
    except EnvoyMissing as error:
        sys.exit(f"benchmarks.faults: {error}")
    lines = []
    with tempfile.TemporaryDirectory(dir=os.environ.get("CHURN_BENCH_DIR")) as name:
        folder = Path(name)
        old, new = (make_material(folder / one, one) for one in ("logistic_regression", "hist_gradient_boosting"))
        for fault, weight, breaks in FAULTS:
            lines.append(line(fault, *observe(old, new, folder / "landing", weight, breaks)))
            print(" | ".join(lines[-1]), flush=True)
    head = ["what happens", "failed requests", "last failure after s", "slowest answer, s", "all is well after s"]
    printed = table(head, lines)
    print(printed)
    if options.write:
        noted = f"\n{circumstances('python -m benchmarks.faults --write')}\n\n{printed}\n"
        PAGE.write_text(written(PAGE.read_text(encoding="utf-8"), noted, "faults"), encoding="utf-8")


if __name__ == "__main__":
    main()
