"""Rollouts that end before their time: by a person, by a kill, by somebody else, or for want of customers."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from churn.rollout.counters import Counters, TrackCounters
from seldon.gateway.state import Desired
from seldon.rollout.drive import RolloutOvertaken, _up_to
from seldon.rollout.reconcile import out_of_line, reconcile
from tests.seldon.rollout.conftest import LOOSE, PLACE, SHADOW, Customers, Scene, once

pytestmark = [pytest.mark.timeout(120), pytest.mark.usefixtures("quick_log")]


class Clock:
    """Time that passes as it is told to."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def hours_pass(self, _: float) -> None:
        self.ahead += timedelta(hours=1)


def none_failed(customers: Customers) -> None:
    assert customers.replies
    assert not [reply for reply in customers.replies if reply[0] != 200]


def replaced(desired: Desired, **changes: object) -> Desired:
    return Desired.model_validate(desired.model_dump() | {"generation": desired.generation + 1} | changes)


@pytest.mark.parametrize(
    "stage", [*(pytest.param(one, marks=pytest.mark.slow) for one in ("smoke test", "shadow", "100 %")), "50 %"]
)
def test_ctrl_c_takes_the_canary_away(scene: Scene, customers: Customers, stage: str) -> None:
    stable = scene.stable
    assert stable is not None

    def stop() -> None:
        raise KeyboardInterrupt

    with once(stage, stop) as do, pytest.raises(KeyboardInterrupt):
        scene.run(scene.version(), do=do)

    scene.serves_alone(stable)
    none_failed(customers)


@pytest.mark.parametrize(
    "stage",
    [*(pytest.param(one, marks=pytest.mark.slow) for one in ("smoke test", "shadow", "100 %")), "50 %", "entering"],
)
def test_what_a_killed_rollout_leaves_the_next_one_clears_away(scene: Scene, customers: Customers, stage: str) -> None:
    stable, candidate = scene.stable, scene.version()
    assert stable is not None
    command = [sys.executable, "-m", "tests.seldon.rollout.rollout_process", str(scene.world.root), candidate.version]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        assert stage in (line.strip() for line in process.stdout)
        process.kill()
    left = scene.deployment.desired()
    assert left is not None
    assert left.canary == candidate

    named = out_of_line(scene.deployment, PLACE, stable.version, stable.digest)
    with scene.deployment.claimed():
        while_it_runs = out_of_line(scene.deployment, PLACE, stable.version, stable.digest)
        done = reconcile(scene.deployment, PLACE, stable, 30.0)
        again = reconcile(scene.deployment, PLACE, stable, 30.0)

    assert f"deployment churn/churn: still has version {candidate.version} as its canary" in named[0]
    assert (while_it_runs, done, again) == ((), True, False)
    assert out_of_line(scene.deployment, PLACE, stable.version, stable.digest) == ()
    scene.serves_alone(stable)
    none_failed(customers)


def test_a_rollout_that_was_killed_after_its_entry_is_finished_by_the_next_command(
    scene: Scene, customers: Customers
) -> None:
    candidate = scene.version()
    scene.run(candidate, strategy="blue_green")  # and then nothing: the ledger says it is in production

    reconcile(scene.deployment, PLACE, candidate, 30.0)

    scene.serves_alone(candidate)
    none_failed(customers)


def test_a_deployment_of_another_version_than_production_is_named(scene: Scene) -> None:
    stable = scene.stable
    assert stable is not None

    named = out_of_line(scene.deployment, PLACE, "99", stable.digest)
    nothing = out_of_line(scene.deployment, PLACE, None, None)
    replaced_bundle = out_of_line(scene.deployment, PLACE, stable.version, "0" * 64)
    elsewhere = replace(scene.deployment, deployment="other")

    serves = f"deployment churn/churn: serves version {stable.version}, where"
    assert named == (f"{serves} version 99 is in production",)
    assert nothing == (f"{serves} no version is in production",)
    assert replaced_bundle == (f"{serves} version {stable.version} is in production",)
    assert out_of_line(elsewhere, PLACE, "99", None) == ()


def test_a_deployment_that_nobody_keeps_is_named(scene: Scene) -> None:
    stable, observed = scene.stable, scene.world.observed()
    assert stable is not None
    assert observed.supervisor_pid is not None
    os.kill(observed.supervisor_pid, signal.SIGKILL)
    scene.world.wait(lambda observed: not observed.ready)

    named = out_of_line(scene.deployment, PLACE, stable.version, stable.digest)
    mended = reconcile(scene.deployment, PLACE, stable, 30.0)

    assert "no supervisor runs" in named[0]
    assert mended
    scene.serves_alone(stable)


def test_a_rollout_clears_away_what_was_left_before_it_begins(scene: Scene, customers: Customers) -> None:
    stable, left = scene.stable, scene.version()
    scene.run(left, strategy="blue_green")

    outcome = scene.run(scene.version(kind="exit"), stable=stable)

    assert outcome.ending == "failed"
    assert stable is not None
    scene.serves_alone(stable)
    none_failed(customers)


def test_a_rollout_whose_deployment_somebody_else_changes_gives_up(scene: Scene, customers: Customers) -> None:
    stable = scene.stable
    assert stable is not None

    def interfere() -> None:
        desired = scene.deployment.desired()
        assert desired is not None
        scene.deployment.apply(replaced(desired, canary=None, canary_weight=0, mirror=False))

    with once("50 %", interfere) as do:
        outcome = scene.run(scene.version(), do=do)

    assert outcome.ending == "failed"
    assert "somebody else changed it" in outcome.reason
    scene.serves_alone(stable)
    none_failed(customers)


def test_a_rollout_that_another_one_has_overtaken_leaves_it_alone(scene: Scene, customers: Customers) -> None:
    stable, other = scene.stable, scene.version()
    assert stable is not None

    def overtake() -> None:
        desired = scene.deployment.desired()
        assert desired is not None
        scene.deployment.apply(replaced(desired, stable=other, canary=None, canary_weight=0, rollout="another"))

    try:
        with once("50 %", overtake) as do:
            outcome = scene.run(scene.version(), do=do)

        assert outcome.ending == "failed"
        scene.serves_alone(other)
        none_failed(customers)
    finally:
        reconcile(scene.deployment, PLACE, stable, 30.0)


def test_a_candidate_that_was_taken_away_at_the_last_moment_is_not_entered(scene: Scene, customers: Customers) -> None:
    stable, entered = scene.stable, []
    assert stable is not None
    rollout = scene.rollout(scene.version(), strategy="blue_green")
    rollout.run()
    scene.deployment.apply(Desired(namespace="churn", deployment="churn", generation=_next(scene), stable=stable))

    with pytest.raises(RolloutOvertaken):
        rollout.finish(lambda: entered.append("production"))

    assert not entered
    scene.serves_alone(stable)


def test_a_canary_without_customers_is_taken_back_at_the_deadline(scene: Scene, customers: Customers) -> None:
    stable, clock = scene.stable, Clock()
    assert stable is not None
    shadow = SHADOW.model_copy(update={"hours": 20})
    rollout = scene.rollout(scene.version(), settings=LOOSE.model_copy(update={"steps": (shadow, *LOOSE.steps[1:])}))
    rollout.clock, rollout.sleep = clock, clock.hours_pass

    with customers.silent():
        outcome = rollout.run()

    assert outcome.ending == "inconclusive"
    assert "no request has reached stable" in outcome.reason
    assert outcome.verdicts[-1].ended == "deadline"
    assert 19 <= len(outcome.history) <= 21
    scene.serves_alone(stable)


def test_a_rollout_without_a_baseline_is_given_up(scene: Scene) -> None:
    stable, clock = scene.stable, Clock()
    assert stable is not None
    rollout = scene.rollout(
        scene.version(), settings=LOOSE.model_copy(update={"baseline_requests": 1_000_000}), baseline_hours=3.0
    )
    rollout.clock, rollout.sleep = clock, clock.hours_pass

    outcome = rollout.run()

    assert outcome.ending == "failed"
    assert "rollout.baseline_requests asks for 1,000,000" in outcome.reason
    assert [progress.stage for progress in scene.seen].count("baseline") == 3
    scene.serves_alone(stable)


def test_counters_are_held_against_the_log_only_as_far_as_the_log_reaches() -> None:
    noon = datetime(2026, 11, 22, 12, tzinfo=UTC)
    read = [
        (noon + timedelta(seconds=n), Counters(stable=TrackCounters(started="a", requests=n), canary=None))
        for n in range(5)
    ]

    assert [counters.stable.requests for counters in _up_to(read, noon + timedelta(seconds=2)) if counters.stable] == [
        0,
        1,
        2,
    ]
    assert _up_to(read, None) == []


def _next(scene: Scene) -> int:
    desired = scene.deployment.desired()
    assert desired is not None
    return desired.generation + 1
