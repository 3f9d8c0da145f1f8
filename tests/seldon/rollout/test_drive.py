"""Rollouts through the real gateway, of servers that behave and of servers that do not."""

import os
import signal
from dataclasses import replace
from typing import Any

import pytest

from churn.rollout.settings import RolloutSettings
from seldon.deployment import RolloutRuns
from seldon.gateway.state import Server
from seldon.rollout.drive import Rollout
from seldon.rollout.outcome import Progress, RolloutOutcome
from seldon.rollout.plan import Place
from seldon.rollout.reconcile import out_of_line
from tests.seldon.rollout.conftest import HALF, LOOSE, SHADOW, Customers, Scene, once

pytestmark = [pytest.mark.timeout(120), pytest.mark.usefixtures("quick_log")]


LONG = LOOSE.model_copy(update={"steps": (HALF.model_copy(update={"customers": 5_000}),)})
"""No canary gets through it while a test runs."""


LONGER_SHADOW = SHADOW.model_copy(update={"customers": 150})


def none_failed(customers: Customers) -> None:
    assert len(customers.replies) > 20
    assert not [reply for reply in customers.replies if reply[0] != 200]


def taken_back(scene: Scene, outcome: RolloutOutcome, stable: Server | None, customers: Customers) -> None:
    assert stable is not None
    scene.serves_alone(stable)
    assert scene.seen[-1].stage == "rollback"
    assert outcome.replaced == stable.version
    none_failed(customers)


def test_a_good_canary_goes_from_copies_to_all_customers_and_becomes_stable(scene: Scene, customers: Customers) -> None:
    candidate, entered = scene.version(), []
    rollout = scene.rollout(candidate)

    outcome = rollout.run()
    at_the_end = scene.deployment.desired()
    rollout.finish(lambda: entered.append(scene.deployment.desired()))

    assert outcome.ending == "passed", outcome.reason
    assert [verdict.decision for verdict in outcome.verdicts] == ["PROMOTE", "PROMOTE"]
    stages = list(dict.fromkeys(progress.stage for progress in scene.seen))
    assert [stage for stage in stages if stage != "baseline"] == ["smoke test", "shadow", "50 %", "100 %"]
    assert at_the_end is not None
    assert (at_the_end.canary, at_the_end.canary_weight) == (candidate, 100)
    assert entered == [at_the_end]
    assert {track for _, track in customers.replies} == {"stable", "canary"}
    scene.serves_alone(candidate)
    none_failed(customers)


def test_requests_that_are_no_predictions_are_none_the_log_lacks(scene: Scene, customers: Customers) -> None:
    def look(progress: Progress) -> None:
        if progress.stage in ("shadow", "50 %"):
            for _ in range(40):
                assert scene.world.ask(path="/seldon/churn/churn/metadata", method="GET").status == 200

    candidate = scene.version()
    rollout = scene.rollout(
        candidate,
        do=look,
        settings=LOOSE.model_copy(update={"lost_allowance": 0, "steps": (LONGER_SHADOW, HALF)}),
    )

    outcome = rollout.run()
    rollout.finish(lambda: None)

    assert outcome.ending == "passed", outcome.reason
    scene.serves_alone(candidate)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ({"kind": "wrong"}, "scores differ from its bundle's"),
        ({"kind": "errors"}, "failed"),
        ({"kind": "slow", "seconds": 0.1}, "latency"),
    ],
    ids=["wrong scores", "errors", "slow"],
)
def test_a_canary_that_turns_bad_among_customers_is_taken_back_and_costs_them_no_answer(
    scene: Scene, customers: Customers, fault: dict[str, Any], reason: str
) -> None:
    candidate, stable = scene.version(), scene.stable

    with once("50 %", lambda: scene.world.breaks(candidate, **fault)) as do:
        outcome = scene.run(candidate, do=do, settings=LONG)

    assert outcome.ending == "rolled_back", outcome.reason
    assert reason in outcome.reason
    taken_back(scene, outcome, stable, customers)
    answered = sum(track == "canary" for _, track in customers.replies)
    under_way = 2 if fault["kind"] == "slow" else 0  # two clients' last answers, which may come after the cost was told
    assert outcome.cost.requests + under_way >= answered > 0
    assert outcome.cost.customers == outcome.cost.requests
    assert (outcome.cost.failed > 0) == (fault["kind"] == "errors")


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_canary_that_fails_three_requests_of_a_hundred_is_taken_back_under_the_usual_margins(
    scene: Scene, customers: Customers
) -> None:
    candidate, stable = scene.version(), scene.stable
    usual = RolloutSettings(baseline_requests=30, steps=(HALF.model_copy(update={"customers": 50_000, "hours": 0.08}),))

    with once("50 %", lambda: scene.world.breaks(candidate, kind="errors", share=0.03)) as do:
        outcome = scene.run(candidate, do=do, settings=usual.model_copy(update={"latency_margin": 10}))

    assert outcome.ending == "rolled_back", outcome.reason
    assert outcome.reason.startswith("errors")
    taken_back(scene, outcome, stable, customers)


@pytest.mark.parametrize("fate", ["killed", "hangs", "out of memory"])
def test_a_canary_that_dies_or_hangs_is_taken_back_and_costs_customers_no_answer(
    scene: Scene, customers: Customers, fate: str
) -> None:
    candidate, stable = scene.version(), scene.stable

    def strike() -> None:
        if fate == "out of memory":
            scene.world.breaks(candidate, kind="memory", share=0.1)
            return
        canary = scene.world.observed().canary
        assert canary is not None
        assert canary.pid is not None
        os.kill(canary.pid, signal.SIGKILL if fate == "killed" else signal.SIGSTOP)

    with once("50 %", strike) as do:
        outcome = scene.run(candidate, do=do, settings=LONG)

    assert outcome.ending == "rolled_back", outcome.reason
    taken_back(scene, outcome, stable, customers)


@pytest.mark.parametrize(
    ("fault", "ending", "reason"),
    [
        ({"kind": "exit"}, "failed", "does not start"),
        ({"kind": "wrong"}, "rolled_back", "differ from the recorded ones"),
        ({"kind": "errors"}, "rolled_back", "answered with 500"),
        ({"kind": "slow", "seconds": 0.4}, "failed", "0.20 s are allowed"),
    ],
    ids=["will not start", "wrong scores", "errors", "slow"],
)
def test_a_server_that_is_bad_from_the_start_meets_no_customer(
    scene: Scene, customers: Customers, fault: dict[str, Any], ending: str, reason: str
) -> None:
    stable = scene.stable

    outcome = scene.run(scene.version(**fault), smoke_seconds=0.2)

    assert outcome.ending == ending
    assert reason in outcome.reason
    assert outcome.cost.requests == 0
    assert {track for _, track in customers.replies} == {"stable"}
    taken_back(scene, outcome, stable, customers)


def test_a_first_version_that_is_no_good_leaves_nothing_behind(scene: Scene) -> None:
    place = Place(namespace="churn", deployment="first")
    rollout = scene.rollout(scene.version(kind="wrong"), stable=None, place=place)
    rollout.deployment = replace(scene.deployment, deployment="first")

    outcome = rollout.run()

    assert (outcome.ending, outcome.replaced) == ("rolled_back", None)
    assert "differ from the recorded ones" in outcome.reason
    assert rollout.deployment.observe() is None
    assert not [line for line in scene.world.processes().values() if "/first" in line or "--deployment first" in line]
    assert out_of_line(rollout.deployment, place, None, None) == ()


def test_blue_green_changes_over_after_the_smoke_test(scene: Scene, customers: Customers) -> None:
    candidate = scene.version()
    rollout = scene.rollout(candidate, strategy="blue_green")

    outcome = rollout.run()
    rollout.finish(lambda: None)

    assert (outcome.ending, outcome.verdicts) == ("passed", ())
    assert [progress.weight for progress in scene.seen] == [0, 0, 100]
    scene.serves_alone(candidate)
    none_failed(customers)


def test_stable_that_dies_in_mid_rollout_is_not_held_against_the_canary(scene: Scene, customers: Customers) -> None:
    candidate = scene.version()

    def hit() -> None:
        stable = scene.world.observed().stable
        assert stable is not None
        assert stable.pid is not None
        os.kill(stable.pid, signal.SIGKILL)

    with once("50 %", hit) as do:
        rollout = scene.rollout(candidate, do=do)
        outcome = rollout.run()
    rollout.finish(lambda: None)

    assert outcome.ending == "passed", outcome.reason
    scene.serves_alone(candidate)
    none_failed(customers)


def test_an_envoy_that_is_killed_is_not_held_against_the_canary(scene: Scene, customers: Customers) -> None:
    candidate = scene.version()

    def hit() -> None:
        envoy = scene.world.observed().gateway_pid
        assert envoy is not None
        os.kill(envoy, signal.SIGKILL)
        scene.world.wait(lambda observed: observed.gateway_pid != envoy)

    with once("50 %", hit) as do:
        rollout = scene.rollout(candidate, do=do)
        outcome = rollout.run()
    rollout.finish(lambda: None)

    assert outcome.ending == "passed", outcome.reason
    scene.serves_alone(candidate)


def test_two_rollouts_at_once_are_refused(scene: Scene) -> None:
    with scene.deployment.claimed(), pytest.raises(RolloutRuns, match="another rollout"), scene.deployment.claimed():
        pass

    with scene.deployment.claimed():
        pass


def test_a_version_that_cannot_be_entered_is_taken_back(scene: Scene, customers: Customers) -> None:
    class Refused(Exception):
        pass

    def refuse() -> None:
        raise Refused

    stable = scene.stable
    assert stable is not None
    rollout: Rollout = scene.rollout(scene.version(), strategy="blue_green")
    rollout.run()

    with pytest.raises(Refused):
        rollout.finish(refuse)

    scene.serves_alone(stable)
    none_failed(customers)
