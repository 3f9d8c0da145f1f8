"""A rollout in pods, from the smoke test to the end, while customers ask."""

import http.client
import json
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest

from churn.bundle.bundle import Bundle
from churn.rollout.baseline import Promise
from churn.rollout.settings import RolloutSettings, RolloutStep
from seldon.gateway.state import Server
from seldon.rollout.drive import Rollout
from seldon.rollout.outcome import Cost, Progress, RolloutOutcome, cost_of
from seldon.rollout.plan import Place, RolloutPlan
from tests.kube.conftest import NAME, World

PAUSE = 0.02
SETTINGS = RolloutSettings(
    beta=0.2,
    error_margin=0.3,
    latency_margin=10,
    decision_margin=0.4,
    score_margin=0.4,
    constant_margin=0.9,
    verified=10,
    failures_in_a_row=10,
    baseline_requests=100,
    steps=(
        RolloutStep(weight=0, customers=30, cap=100_000, hours=0.05, proof=False),
        RolloutStep(weight=50, customers=150, cap=100_000, hours=0.05, proof=True),
    ),
)
HALF = SETTINGS.model_copy(update={"steps": SETTINGS.steps[1:]})


@dataclass
class Customers:
    """Three clients with connections kept open; some customers come again."""

    url: str
    bundle: Bundle
    answers: list[tuple[float, int, str | None]] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def asking(self) -> Iterator["Customers"]:
        threads = [threading.Thread(target=self._ask_on, args=(seed,)) for seed in (1, 2, 3)]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            for thread in threads:
                thread.join()

    def _ask_on(self, seed: int) -> None:
        draw, place = random.Random(seed), urlsplit(self.url)
        connection = http.client.HTTPConnection(place.netloc, timeout=10)
        golden = [row.inputs for row in self.bundle.manifest.golden]
        while not self._stop.is_set():
            row = draw.choice(golden) | {
                "recency_days": float(draw.randrange(90)),
                "tenure_days": draw.uniform(90, 900),
            }
            headers = {"x-customer-id": f"cus_{draw.getrandbits(12):032x}", "Content-Type": "application/json"}
            try:
                connection.request(
                    "POST", f"{place.path}/api/v1.0/predictions", json.dumps({"jsonData": [row]}), headers
                )
                response = connection.getresponse()
                response.read()
                self.answers.append((time.time(), response.status, response.getheader("x-churn-track")))
            except (OSError, http.client.HTTPException):
                connection.close()
                self.answers.append((time.time(), 0, None))
            time.sleep(PAUSE)
        connection.close()

    def failed(self) -> list[tuple[float, int, str | None]]:
        return [answer for answer in self.answers if answer[1] != 200]


@dataclass
class Scene:
    world: World
    seen: list[Progress] = field(default_factory=list)

    def roll_out(
        self,
        number: int,
        stable: Server | None,
        *,
        settings: RolloutSettings = SETTINGS,
        off: float = 0.0,
        **server: Any,
    ) -> RolloutOutcome:
        """Roll a version out; its scores are `off` from what its bundle would give."""
        deployment = self.world.deployment()
        scores = deployment.expected
        assert scores is not None
        deployment.expected = lambda digest, rows: [float(score or 0) + off for score in scores(digest, rows)]
        candidate = self.world.server(number, **server)
        plan = RolloutPlan(
            rollout=f"rollout-{candidate.version}-{time.time_ns()}",
            place=Place(namespace=self.world.namespace, deployment=NAME),
            candidate=candidate,
            approval=1,
            stable=stable,
            strategy="canary",
            promise=Promise(),
            golden=() if candidate.drill else self.world.bundles[number].manifest.golden,
            settings=settings,
            baseline_hours=0.05,
            peek_seconds=1.0,
            smoke_seconds=2.0,
            ready_seconds=60.0,
        )
        self.seen = []

        def cost(began: datetime) -> Cost:
            return cost_of(deployment.requests(began), 0.5)

        rollout = Rollout(deployment, plan, cost=cost, watch=self.seen.append, smoke=not candidate.drill)
        with deployment.claimed():
            outcome = rollout.run()
            if outcome.ending == "passed":
                rollout.finish(lambda: None)
        return outcome


@pytest.fixture(scope="module")
def scene(world: World) -> Scene:
    scene = Scene(world)
    outcome = scene.roll_out(0, None)
    assert outcome.ending == "passed"
    return scene


@pytest.mark.timeout(420)
def test_a_version_as_good_is_promoted_and_no_request_fails(scene: Scene) -> None:
    world = scene.world
    stable, candidate = world.server(0), world.server(1)

    with Customers(world.deployment().gateway_url(), world.bundles[0]).asking() as customers:
        outcome = scene.roll_out(1, stable)
        time.sleep(2)

    assert outcome.ending == "passed", (outcome.reason, [told.says for told in scene.seen][-5:])
    assert [told.stage for told in scene.seen if told.verdict][-1] == "100 %"
    assert customers.failed() == []
    assert {track for _, _, track in customers.answers} == {"stable", "canary"}
    desired, observed = world.deployment().desired(), world.deployment().observe()
    assert desired is not None
    assert observed is not None
    assert (desired.stable, desired.canary) == (candidate, None)
    assert observed.ready
    assert world.shares() == {"stable": (100, False)}
    judged = outcome.verdicts[-1].evidence
    assert judged.doubts == ()
    print(f"{len(customers.answers)} requests, {judged.customers} customers judged, {outcome.ended - outcome.began}")


@pytest.mark.timeout(420)
def test_one_that_fails_is_taken_back_and_says_what_it_cost(scene: Scene) -> None:
    world = scene.world
    stable = world.deployment().desired()
    assert stable is not None

    with Customers(world.deployment().gateway_url(), world.bundles[0]).asking() as customers:
        outcome = scene.roll_out(2, stable.stable, settings=HALF, drill=0.3)
        removed = time.time()
        time.sleep(2)

    assert outcome.ending == "rolled_back", (outcome.reason, [told.says for told in scene.seen][-5:])
    assert world.shares() == {"stable": (100, False)}
    assert [pod["metadata"]["labels"]["churn-platform/track"] for pod in world.pods()] == ["stable"]
    assert not [answer for answer in customers.answers if answer[2] == "canary" and answer[0] > removed]
    assert {answer[1:] for answer in customers.failed()} <= {(500, "canary"), (500, None)}
    assert 0 < outcome.cost.failed <= len(customers.failed())
    print(f"{outcome.reason}; {len(customers.failed())} of {len(customers.answers)} failed, {outcome.cost}")


@pytest.mark.timeout(420)
def test_one_whose_scores_are_not_its_bundles_is_taken_back_and_no_request_fails(scene: Scene) -> None:
    world = scene.world
    stable = world.deployment().desired()
    assert stable is not None
    with Customers(world.deployment().gateway_url(), world.bundles[0]).asking() as customers:
        outcome = scene.roll_out(2, stable.stable, settings=HALF, off=0.01)
        time.sleep(2)

    assert outcome.ending == "rolled_back", (outcome.reason, [told.says for told in scene.seen][-5:])
    assert "differ from its bundle" in outcome.reason
    assert customers.failed() == []
    assert "canary" in {track for _, _, track in customers.answers}
    assert world.shares() == {"stable": (100, False)}
    print(f"{outcome.reason}; 0 of {len(customers.answers)} failed, {outcome.cost}")


@pytest.mark.timeout(420)
def test_without_prometheus_nothing_is_known_and_nothing_promoted(scene: Scene) -> None:
    world = scene.world
    deployment = world.deployment(prometheus="http://10.250.0.1:9")

    requests = deployment.requests(datetime.now(UTC) - timedelta(hours=1))

    assert world.deployment().requests(datetime.now(UTC) - timedelta(hours=1)).height > 0
    assert requests.height == 0
    assert deployment.counters().stable is None
