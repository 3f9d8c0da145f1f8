import fcntl
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import seldon.gateway.folder
from churn import process
from churn.errors import ChurnError
from seldon.deployment import DeploymentNotReady, GenerationRefused
from seldon.gateway.folder import SupervisorRuns
from seldon.gateway.start import start_supervisor
from tests.seldon.gateway.conftest import World, token


def kill_supervisor(world: World) -> None:
    pid = world.observed().supervisor_pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    while process.start_mark(pid) is not None:
        time.sleep(0.01)


def test_requests_go_on_without_a_supervisor_and_the_next_one_finds_every_process(world: World) -> None:
    state = {"stable": world.server("7"), "canary": world.server("8"), "canary_weight": 50, "salt": "a"}
    before = world.apply(**state)

    with world.traffic() as traffic:
        kill_supervisor(world)
        assert "no supervisor runs" in (world.observed().fault or "")
        time.sleep(0.3)
        after = world.apply(**state)
        time.sleep(0.3)

    assert not traffic.failed()
    assert after.supervisor_pid != before.supervisor_pid
    for track in ("stable", "canary"):
        assert getattr(after, track).pid == getattr(before, track).pid
    assert after.gateway_pid == before.gateway_pid
    assert len(world.processes()) == 4


def test_what_died_without_a_supervisor_is_started_by_the_next_one_at_its_place(world: World) -> None:
    state = {"stable": world.server("7"), "canary": world.server("8"), "canary_weight": 50, "salt": "a"}
    before = world.apply(**state)
    assert before.canary is not None
    assert before.canary.pid is not None
    assert before.gateway_pid is not None
    kill_supervisor(world)
    os.kill(before.canary.pid, signal.SIGKILL)
    os.kill(before.gateway_pid, signal.SIGKILL)

    after = world.apply(**state)

    assert after.canary is not None
    assert after.canary.port == before.canary.port
    assert after.gateway_port == before.gateway_port
    assert {world.ask(token(number)).status for number in range(20)} == {200}


def test_a_canary_that_was_taken_back_without_a_supervisor_is_ended_by_the_next_one(world: World) -> None:
    stable = world.server("7")
    world.apply(stable=stable, canary=world.server("8"), canary_weight=50, salt="a")
    kill_supervisor(world)

    with world.traffic() as traffic:
        world.apply(stable=stable)
        world.wait(lambda observed: not observed.draining)

    assert not traffic.failed()
    assert not [line for line in world.processes().values() if "--track canary" in line]


def test_stop_ends_everything_also_after_the_supervisor_was_killed(world: World) -> None:
    world.apply(stable=world.server("7"), canary=world.server("8"), canary_weight=50, salt="a")
    kill_supervisor(world)
    assert len(world.processes()) == 3

    world.deployment.stop()

    assert not world.processes()
    assert world.deployment.observe() is None


def test_the_lock_of_a_supervisor_that_is_still_dying_is_waited_for(world: World) -> None:
    folder = world.deployment.folder
    folder.prepare()
    with (folder.path / "supervisor.lock").open("a", encoding="utf-8") as dying:
        fcntl.flock(dying, fcntl.LOCK_EX)
        end = threading.Timer(0.3, fcntl.flock, (dying, fcntl.LOCK_UN))
        end.start()

        with folder.supervised():
            assert not end.is_alive()
            assert folder.supervisor_pid() == os.getpid()


def test_a_lock_that_nobody_known_holds_is_not_waited_for_for_ever(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seldon.gateway.folder, "_LAST_THREAD_SECONDS", 0.1)
    folder = world.deployment.folder
    folder.prepare()
    with (folder.path / "supervisor.lock").open("a", encoding="utf-8") as held:
        fcntl.flock(held, fcntl.LOCK_EX)

        with pytest.raises(SupervisorRuns, match="process unknown supervises"), folder.supervised():
            pass


def test_sigterm_answers_what_is_under_way_and_leaves_no_process(world: World) -> None:
    stable = world.server("7", kind="slow", seconds=0.3)
    observed = world.apply(stable=stable)
    assert observed.supervisor_pid is not None

    with world.traffic(clients=4) as traffic:
        time.sleep(0.4)
        os.kill(observed.supervisor_pid, signal.SIGTERM)
        while world.processes():
            time.sleep(0.05)

    assert {reply.status for reply in traffic.replies} <= {200, 0}
    assert not [reply for reply in traffic.replies if reply.status == 0 and reply.seconds > 0.05], "cut off half way"


def test_a_second_supervisor_of_one_folder_is_refused(world: World) -> None:
    world.apply(stable=world.server("7"))
    folder = world.deployment.folder

    second = subprocess.run(
        [sys.executable, "-m", "seldon.gateway", str(folder.path)], capture_output=True, text=True, check=False
    )

    assert second.returncode == 1
    assert f"process {world.observed().supervisor_pid} supervises this deployment already" in second.stderr
    assert start_supervisor(folder, world.deployment.settings) == world.observed().supervisor_pid
    assert world.ask().status == 200


def test_one_rollout_at_a_time(world: World) -> None:
    stable = world.server("7")
    stale = world.desired(stable=world.server("6"))
    world.apply(stable=stable, canary=world.server("8"), canary_weight=5, salt="a", rollout="run-1")

    with pytest.raises(GenerationRefused, match="set by run-1"):
        world.deployment.apply(stale)

    assert world.observed().stable.version == "7"  # type: ignore[union-attr]


def test_a_stop_and_a_new_start_keep_the_ports(world: World) -> None:
    state = {"stable": world.server("7")}
    before = world.apply(**state)
    world.deployment.stop()

    after = world.apply(**state)

    assert after.gateway_port == before.gateway_port
    assert world.ask().status == 200


def test_a_gateway_port_that_others_took_is_left_to_them_unless_it_was_asked_for(world: World) -> None:
    state = {"stable": world.server("7")}
    before = world.apply(**state)
    world.deployment.stop()

    with socket.create_server(("127.0.0.1", before.gateway_port)):
        after = world.apply(**state)
        assert after.gateway_port != before.gateway_port
        assert world.ask().status == 200
        world.deployment.stop()
        world.with_settings(port=before.gateway_port, start_attempts=2)
        with pytest.raises(DeploymentNotReady, match="envoy does not start"):
            world.apply(**state)


def test_a_desired_file_that_is_damaged_changes_nothing(world: World) -> None:
    world.apply(stable=world.server("7"))
    folder = world.deployment.folder
    folder.write(folder.desired_file, json.dumps({"namespace": "churn"}))

    state = world.wait(lambda observed: observed.fault is not None)

    assert "desired.json" in (state.fault or "")
    assert world.ask().status == 200
    folder.desired_file.unlink()
    world.apply(stable=world.server("8"))
    assert world.ask().version == "8"


def test_a_process_with_the_pid_of_a_dead_server_is_none_of_ours(world: World) -> None:
    observed = world.apply(stable=world.server("7"))
    assert observed.stable is not None
    world.deployment.stop()
    bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        (folder := world.deployment.folder).runs.joinpath("stable-7-20000.pid").write_text(str(bystander.pid))
        record = {"name": "stable-7-20000", "command": ["fake_server"]}
        folder.runs.joinpath("stable-7-20000.json").write_text(json.dumps(record))

        world.deployment.stop()

        assert bystander.poll() is None
        assert not list(Path(folder.runs).iterdir())
    finally:
        bystander.kill()
        bystander.wait()


@pytest.mark.slow
def test_a_supervisor_killed_at_any_moment_leaves_a_state_that_the_next_one_finishes(world: World) -> None:
    moments = random.Random(7)
    world.apply(stable=world.server("7"))
    with world.traffic() as traffic:
        for turn in range(10):
            stable, canary = world.server(str(7 + turn % 2)), world.server(str(8 - turn % 2))
            state = {"stable": stable, "canary": canary, "canary_weight": 50, "salt": f"a{turn}"}
            applying = threading.Thread(target=_try_to_apply, args=(world, state))
            applying.start()
            time.sleep(moments.uniform(0, 0.8))
            if (pid := world.deployment.folder.supervisor_pid()) is not None:
                os.kill(pid, signal.SIGKILL)
            applying.join()
            world.apply(**state)
            assert {reply.version for reply in map(world.ask, map(token, range(30)))} == {"7", "8"}
        world.apply(stable=world.server("9"))
        world.wait(lambda observed: not observed.draining)

    assert not traffic.failed()
    assert len(world.processes()) == 3, "supervisor, Envoy, one server"


def _try_to_apply(world: World, state: dict[str, Any]) -> None:
    with suppress(ChurnError):
        world.deployment.apply(world.desired(**state), timeout=2)
