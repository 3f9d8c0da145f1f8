"""What clients see when something breaks; docs/deployments.md tells the figures."""

import os
import signal
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from seldon.deployment import DeploymentNotReady
from seldon.gateway.state import LocalObserved, LocalServer
from tests.seldon.gateway.conftest import World, token


def rollout(world: World, weight: int = 50, **fault: object) -> LocalObserved:
    canary = world.server("8")
    observed = world.apply(stable=world.server("7"), canary=canary, canary_weight=weight, salt="a")
    if fault:
        world.breaks(canary, **fault)
    return observed


def pid_of(server: LocalServer | None) -> int:
    assert server is not None
    assert server.pid is not None
    return server.pid


def ends_clean(world: World) -> None:
    """The canary is taken away, and what is left is one stable server that answers."""
    world.apply(stable=world.server("7"))
    state = world.wait(lambda observed: not observed.draining)
    assert state.canary is None
    assert not [line for line in world.processes().values() if "--track canary" in line]
    assert world.ask(token(1)).track == "stable"


def test_a_canary_killed_at_half_of_the_traffic_fails_no_request(world: World) -> None:
    observed = rollout(world)

    with world.traffic() as traffic:
        time.sleep(0.3)
        os.kill(pid_of(observed.canary), signal.SIGKILL)
        time.sleep(1)

    assert not traffic.failed()
    state = world.wait(lambda seen: seen.ready)
    assert state.canary is not None
    assert state.canary.restarts == 1
    assert world.ask(token(1), path="/seldon/churn/churn/predict").status == 200
    ends_clean(world)


def test_stable_killed_in_a_rollout_fails_no_request(world: World) -> None:
    observed = rollout(world)

    with world.traffic() as traffic:
        time.sleep(0.3)
        os.kill(pid_of(observed.stable), signal.SIGKILL)
        time.sleep(1)

    assert not traffic.failed()
    world.wait(lambda seen: seen.ready)
    ends_clean(world)


def test_stable_killed_when_it_is_alone_makes_requests_wait_and_fails_none(world: World) -> None:
    stable = world.server("7")
    observed = world.apply(stable=stable)
    world.breaks(stable, kind="slow_start", seconds=3)

    with world.traffic(clients=12) as traffic:
        time.sleep(0.3)
        os.kill(pid_of(observed.stable), signal.SIGKILL)
        time.sleep(4)

    assert not traffic.failed()
    assert 3 < max(reply.seconds for reply in traffic.replies) < 6


@pytest.mark.slow
def test_both_servers_killed_at_once_fail_no_request(world: World) -> None:
    observed = rollout(world)

    with world.traffic() as traffic:
        time.sleep(0.3)
        os.kill(pid_of(observed.canary), signal.SIGKILL)
        os.kill(pid_of(observed.stable), signal.SIGKILL)
        time.sleep(2.5)

    assert not traffic.failed()
    world.wait(lambda seen: seen.ready)
    ends_clean(world)


def test_envoy_killed_is_back_at_its_port_within_two_seconds(world: World) -> None:
    observed = rollout(world)
    assert observed.gateway_pid is not None

    with world.traffic() as traffic:
        time.sleep(0.3)
        killed = time.monotonic()
        os.kill(observed.gateway_pid, signal.SIGKILL)
        time.sleep(2.5)

    unanswered = [reply for reply in traffic.replies if reply.status == 0]
    assert unanswered, "nobody answers while there is no gateway"
    assert traffic.failed() == unanswered
    assert max(reply.began for reply in unanswered) - killed < 2.0
    state = world.wait(lambda seen: seen.ready)
    assert (state.gateway_port, state.generation) == (observed.gateway_port, observed.generation)
    assert {reply.track for reply in traffic.replies[-50:]} == {"stable", "canary"}
    ends_clean(world)


@pytest.mark.slow
def test_an_envoy_that_hangs_is_replaced(world: World) -> None:
    observed = world.apply(stable=world.server("7"))
    assert observed.gateway_pid is not None
    os.kill(observed.gateway_pid, signal.SIGSTOP)

    state = world.wait(lambda seen: seen.ready and seen.gateway_pid not in (None, observed.gateway_pid))

    assert state.gateway_port == observed.gateway_port
    assert world.ask().status == 200


def test_a_canary_that_hangs_costs_a_client_one_attempt_and_no_request(world: World) -> None:
    world.with_settings(try_seconds=0.5)
    observed = rollout(world)

    with world.traffic() as traffic:
        time.sleep(0.3)
        os.kill(pid_of(observed.canary), signal.SIGSTOP)
        time.sleep(3)

    assert not traffic.failed()
    assert max(reply.seconds for reply in traffic.replies) < 2.5
    state = world.wait(lambda seen: seen.ready and seen.canary is not None and seen.canary.restarts > 0)
    assert pid_of(state.canary) != pid_of(observed.canary)
    ends_clean(world)


def test_a_canary_that_answers_500_for_some_is_rescued_and_found_out(world: World) -> None:
    rollout(world, kind="errors", share=0.03)
    since = datetime.now(UTC)

    with world.traffic() as traffic:
        time.sleep(2.5)

    assert not traffic.failed()
    time.sleep(1.0)
    canary = world.deployment.requests(since).filter("canary")
    assert 0.005 < canary["failed"].mean() < 0.1  # type: ignore[operator]
    assert not world.deployment.requests(since).filter(~pl.col("canary"))["failed"].any()
    ends_clean(world)


def test_a_canary_that_answers_500_for_all_is_taken_out(world: World) -> None:
    rollout(world, kind="errors")

    with world.traffic() as traffic:
        time.sleep(1.5)

    counters = world.deployment.counters()
    assert not traffic.failed()
    assert counters.canary is not None
    assert counters.canary.ejections >= 1
    ends_clean(world)


@pytest.mark.slow
def test_a_slow_canary_answers_and_its_slowness_is_logged(world: World) -> None:
    rollout(world, kind="slow", seconds=0.15)
    since = datetime.now(UTC)

    with world.traffic() as traffic:
        time.sleep(2)

    assert not traffic.failed()
    time.sleep(1.0)
    seconds = world.deployment.requests(since).group_by("canary").agg(pl.col("seconds").median()).sort("canary")
    assert seconds["seconds"][1] > 0.15 > seconds["seconds"][0]
    ends_clean(world)


def test_wrong_probabilities_stand_beside_what_the_bundle_gives(world: World) -> None:
    canary = world.server("8", kind="wrong", share=0.2)
    world.apply(stable=world.server("7"), canary=canary, canary_weight=50, salt="a")
    since = datetime.now(UTC) - timedelta(seconds=5)
    for number in range(40):
        assert world.ask(token(number)).status == 200

    time.sleep(1.0)
    judged = replace(world.deployment, expected=lambda _, features: [0.25] * len(features))
    frame = judged.requests(since)
    canarys = frame.filter("canary")
    assert (canarys["score"] != canarys["expected_score"]).any()
    assert frame.filter(~pl.col("canary"))["score"].to_list() == [0.25] * (frame.height - canarys.height)


@pytest.mark.slow
def test_a_canary_that_eats_memory_is_stopped_by_its_limit_and_rescued(world: World) -> None:
    world.with_settings(server_memory_mb=1024)
    rollout(world, kind="memory", share=0.05)

    with world.traffic() as traffic:
        time.sleep(2.5)

    assert not traffic.failed()
    assert world.observed().canary.restarts > 0  # type: ignore[union-attr]
    ends_clean(world)


@pytest.mark.slow
def test_a_canary_that_crashes_at_every_request_is_named_as_the_fault(world: World) -> None:
    rollout(world, kind="crash")

    with world.traffic() as traffic:
        state = world.wait(lambda seen: seen.fault is not None)

    assert not traffic.failed()
    assert state.fault is not None
    assert "canary-8" in state.fault
    ends_clean(world)


@pytest.mark.parametrize(
    ("kind", "why", "seconds"), [("exit", "exited with code 1", 10), ("never_ready", "was not ready in time", 2)]
)
def test_a_canary_that_does_not_start_never_gets_a_share(world: World, kind: str, why: str, seconds: float) -> None:
    world.with_settings(start_seconds=seconds, start_attempts=2)
    stable = world.server("7")
    world.apply(stable=stable)

    with world.traffic() as traffic, pytest.raises(DeploymentNotReady, match=rf"canary-8-\d+ does not start: {why}"):
        world.apply(stable=stable, canary=world.server("8", kind=kind), canary_weight=50, salt="a")

    assert not traffic.failed()
    assert traffic.tracks() == {"stable": len(traffic.replies)}
    ends_clean(world)


def test_a_bundle_that_is_another_one_is_refused_at_once_and_the_error_names_the_log(world: World) -> None:
    stable, canary = world.server("7"), world.server("8")
    world.apply(stable=stable)
    Path(canary.bundle, "digest").write_text("0" * 64)

    with pytest.raises(DeploymentNotReady, match="its bundle was refused") as refusal:
        world.apply(stable=stable, canary=canary, canary_weight=50, salt="a")

    log = Path(str(refusal.value).rpartition("see ")[2])
    assert "another bundle" in log.read_text()
    Path(canary.bundle, "digest").write_text(canary.digest)
    world.apply(stable=stable, canary=canary, canary_weight=100, salt="a")
    assert world.ask().track == "canary"


def test_a_canary_whose_bundle_is_damaged_while_it_serves_loses_its_share_after_a_restart(world: World) -> None:
    observed = rollout(world)
    Path(world.server("8").bundle, "digest").write_text("0" * 64)
    os.kill(pid_of(observed.canary), signal.SIGKILL)

    world.wait(lambda seen: seen.fault is not None)

    assert set(world.assignment(30).values()) == {"stable"}
    ends_clean(world)


def test_a_new_stable_that_does_not_start_leaves_the_old_one_serving(world: World) -> None:
    world.apply(stable=world.server("7"))

    with world.traffic() as traffic, pytest.raises(DeploymentNotReady, match="stable-8"):
        world.apply(stable=world.server("8", kind="exit"))

    assert not traffic.failed()
    assert {reply.version for reply in traffic.replies} == {"7"}
    assert world.observed().stable.version == "7"  # type: ignore[union-attr]
