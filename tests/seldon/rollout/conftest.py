import http.client
import json
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn

import pytest

from churn.bundle.manifest import GoldenRow
from churn.rollout.baseline import Promise
from churn.rollout.settings import RolloutSettings, RolloutStep
from seldon.gateway.envoy import EnvoyMissing, executable
from seldon.gateway.local import LocalDeployment
from seldon.gateway.state import Server
from seldon.rollout.drive import Rollout
from seldon.rollout.outcome import Cost, Progress, RolloutOutcome, cost_of
from seldon.rollout.plan import Place, RolloutPlan
from tests.seldon.gateway.conftest import PREDICTIONS, World

SHADOW = RolloutStep(weight=0, customers=20, cap=100_000, hours=0.02, proof=False)
HALF = RolloutStep(weight=50, customers=60, cap=100_000, hours=0.02, proof=True)
LOOSE = RolloutSettings(
    beta=0.2,
    error_margin=0.3,
    latency_margin=10,
    decision_margin=0.4,
    score_margin=0.4,
    constant_margin=0.5,
    verified=10,
    failures_in_a_row=6,
    baseline_requests=30,
    steps=(SHADOW, HALF),
)
PLACE = Place(namespace="churn", deployment="churn")
GOLDEN = tuple(GoldenRow(inputs={"recency_days": days}, score=days / 100) for days in (10.0, 90.0))
PAUSE = 0.008


def known_scores(_: str, features: Sequence[Mapping[str, Any]]) -> list[float | None]:
    """What the bundle of every fake server has for logged features."""
    return [given["recency_days"] / 100 for given in features]


def plan_of(candidate: Server, stable: Server | None, **changes: Any) -> RolloutPlan:
    fixed: dict[str, Any] = {
        "rollout": f"rollout-{candidate.version}",
        "place": PLACE,
        "candidate": candidate,
        "approval": 1,
        "stable": stable,
        "strategy": "canary",
        "promise": Promise(),
        "golden": GOLDEN,
        "settings": LOOSE,
        "baseline_hours": 1.0,
        "peek_seconds": 0.2,
        "smoke_seconds": 2.0,
        "ready_seconds": 30.0,
    }
    return RolloutPlan(**fixed | changes)


@dataclass
class Customers:
    """Two clients; every request is another customer's, and asks about other features."""

    port: int
    replies: list[tuple[int, str | None]] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _may_ask: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def silent(self) -> Iterator[None]:
        """Nobody asks meanwhile; what was asked before is in the log."""
        self._may_ask.clear()
        time.sleep(1)
        yield
        self._may_ask.set()

    def ask_on(self, seed: int) -> None:
        draw = random.Random(seed)
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        while not self._stop.is_set():
            self._may_ask.wait()
            headers = {"x-customer-id": f"cus_{draw.getrandbits(128):032x}", "Content-Type": "application/json"}
            body = json.dumps({"jsonData": [{"recency_days": draw.uniform(0, 100)}]})
            try:
                connection.request("POST", PREDICTIONS, body, headers)
                response = connection.getresponse()
                response.read()
                self.replies.append((response.status, response.getheader("x-churn-track")))
            except (OSError, http.client.HTTPException):
                connection.close()
                self.replies.append((0, None))
            time.sleep(PAUSE)
        connection.close()

    @contextmanager
    def asking(self) -> Iterator["Customers"]:
        threads = [threading.Thread(target=self.ask_on, args=(seed,)) for seed in (1, 2)]
        self._may_ask.set()
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            self._may_ask.set()
            for thread in threads:
                thread.join()


class Scene:
    """A deployment whose stable version serves, and rollouts on it."""

    def __init__(self, root: Path) -> None:
        self.world = World(root)
        self.deployment: LocalDeployment = replace(self.world.deployment, expected=known_scores)
        self.seen: list[Progress] = []
        self._versions = 0

    def version(self, **fault: Any) -> Server:
        """A version that nobody has seen before."""
        self._versions += 1
        return self.world.server(str(self._versions), **fault)

    @property
    def stable(self) -> Server | None:
        desired = self.deployment.desired()
        return desired.stable if desired else None

    def rollout(self, candidate: Server, *, do: Callable[[Progress], None] = lambda _: None, **plan: Any) -> Rollout:
        """A rollout that has not begun; `do` is called with everything that is told."""
        self.seen = []

        def watch(progress: Progress) -> None:
            self.seen.append(progress)
            do(progress)

        settings = {"stable": self.stable} | plan
        return Rollout(self.deployment, plan_of(candidate, **settings), cost=self._cost, watch=watch)

    def run(self, candidate: Server, **more: Any) -> RolloutOutcome:
        return self.rollout(candidate, **more).run()

    def serves_alone(self, server: Server) -> None:
        """One stable server, all requests, nothing left of anybody else."""
        state = self.world.wait(lambda observed: observed.ready and not observed.draining)
        assert state.canary is None
        assert state.stable is not None
        assert state.stable.version == server.version
        assert not [line for line in self.world.processes().values() if "--track canary" in line]
        assert self.world.ask("cus_" + "0" * 32).version == server.version

    def _cost(self, began: datetime) -> Cost:
        return cost_of(self.deployment.requests(began), 0.5)


@contextmanager
def once(stage: str, action: Callable[[], None]) -> Iterator[Callable[[Progress], None]]:
    """Do something when a stage is first told of; the stage must come."""
    done: list[str] = []

    def do(progress: Progress) -> None:
        if progress.stage == stage and not done:
            done.append(stage)
            action()

    yield do
    assert done, f"{stage} was never reached"


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory, service_missing: Callable[[str], NoReturn]) -> Iterator[Scene]:
    """The first version has been rolled out."""
    try:
        executable()
    except EnvoyMissing as error:
        service_missing(str(error))
    scene = Scene(tmp_path_factory.mktemp("rollout"))
    try:
        first = scene.rollout(scene.version())
        assert first.run().ending == "passed"
        first.finish(lambda: None)
        yield scene
    finally:
        scene.deployment.stop()
    assert not scene.world.processes()


@pytest.fixture
def quick_log(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a killed server has not written down is given up sooner; the fake ones write three times a second."""
    settings = scene.deployment.settings.model_copy(update={"record_seconds": 2.0})
    monkeypatch.setattr(scene, "deployment", replace(scene.deployment, settings=settings))
    monkeypatch.setattr("seldon.rollout.drive._CATCHES_UP", timedelta(seconds=2))


@pytest.fixture(scope="module")
def _customers(scene: Scene) -> Iterator[Customers]:
    with Customers(scene.world.observed().gateway_port).asking() as customers:
        yield customers


@pytest.fixture
def customers(_customers: Customers) -> Customers:
    """They ask without a pause; `replies` holds those of this test."""
    _customers.replies = []
    return _customers
