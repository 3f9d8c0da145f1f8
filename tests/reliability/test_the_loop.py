"""Eleven days of the whole platform, unattended: `make test-slow ARGS="-s tests/reliability/test_the_loop.py"`.

CHURN_LOOP_HOURS=8 lives fewer of them, in which nothing is planted.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

from seldon.gateway.envoy import EnvoyMissing, executable
from tests.reliability.lived import MIB, WARM_UP_HOURS, Lived
from tests.reliability.moved_clock import NoCompiler, prepare

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

HOURS = int(os.environ.get("CHURN_LOOP_HOURS", "264"))
PLAN = {"wrong_model": 22, "turn": 104, "failing_canary": 170}
LEARNABLE_HOURS = 24 * 5
"""From a change until a cutoff to learn from and one to test at, each with two days of outcomes, lie behind it."""
PARTS = {"lake/activity": "events", "lake/predictions": "predictions", "landing/predictions": "predictions"}
"""What grows on disk, and with which rows."""
planted = pytest.mark.skipif(max(PLAN.values()) >= HOURS, reason="nothing is planted in so few hours")
long_enough = pytest.mark.skipif(WARM_UP_HOURS + 24 > HOURS, reason="so few hours show no slope")


@pytest.fixture(scope="module")
def lived(
    tmp_path_factory: pytest.TempPathFactory, project_root: Path, service_missing: Callable[[str], NoReturn]
) -> Lived:
    """The hours, lived through in a process of their own."""
    root = tmp_path_factory.mktemp("loop")
    try:
        executable()
        clock = prepare(root)
    except (EnvoyMissing, NoCompiler) as error:
        service_missing(str(error))
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ZENML_")}
    environment = kept | clock | {"CHURN_ROOT": str(root), "PYTHONPATH": str(project_root)}
    command = [sys.executable, "-m", "tests.reliability.loop", str(root), str(HOURS), json.dumps(PLAN)]
    began = time.monotonic()
    with (root / "log").open("w") as log:
        done = subprocess.run(command, cwd=project_root, env=environment, stdout=log, stderr=log, check=False)
    assert done.returncode == 0, (root / "log").read_text()[-3000:]
    found = Lived.read(root, PLAN, time.monotonic() - began)
    print(f"\n{found.report()}")
    return found


def test_every_event_is_in_the_lake_once_and_every_row_is_accounted_for(lived: Lived) -> None:
    uploaded, found = lived.final["uploaded"], lived.final["activity"]
    journal = {row.pop("stream"): row for row in map(dict, lived.final["journal"])}

    assert (found["lost"], found["twice"], found["foreign"]) == (0, 0, 0)
    assert found["rows"] == uploaded["appended"] > 100_000
    assert {name: journal["activity"][name] for name in uploaded} == uploaded
    for row in journal.values():
        assert row["read"] == row["appended"] + row["duplicate"] + row["quarantined"]
    assert lived.final["quarantined"] == uploaded["quarantined"]


def test_every_answered_prediction_is_in_the_lake_once(lived: Lived) -> None:
    answered, found = lived.final["answered"], lived.final["predictions"]

    assert (answered["twice"], answered["not logged"]) == (0, 0)
    assert (found["lost"], found["twice"], found["foreign"]) == (0, 0, 0)
    assert found["rows"] >= answered["wanted"] >= 100 * HOURS
    assert answered["failed"] == []


def test_nothing_disagrees_and_the_ledger_is_whole(lived: Lived) -> None:
    assert lived.final["status"] == {"exit": 0, "disagreements": []}
    assert lived.final["ledger"]["exit"] == 0
    assert [verdict["hour"] for verdict in lived.seen["verdicts"]] == list(range(HOURS))


@planted
def test_the_wrong_model_is_refused_by_the_gate_and_taken_back_by_the_monitoring(lived: Lived) -> None:
    planted_at = PLAN["wrong_model"]
    refused = lived.told("gate about the wrong version")
    noticed = lived.verdict("ROLLBACK", planted_at, PLAN["turn"])

    assert refused
    assert "exit 1" in refused[1]
    assert "may not go to staging" in refused[1]
    assert noticed
    assert noticed["deed"] == "rollback"
    assert "previous" in noticed["blamed"]
    assert lived.verdict("RETRAIN", 0, planted_at) is lived.verdict("ROLLBACK", 0, planted_at) is None


@planted
def test_the_drift_is_noticed_and_a_version_that_learned_from_it_goes_through_the_gate(lived: Lived) -> None:
    """Training is asked for at once; better than the version before is what has seen outcomes of the new times."""
    began = PLAN["turn"]
    noticed = lived.verdict("RETRAIN", began)

    assert noticed
    assert noticed["deed"] == "retrain"
    assert noticed["hour"] - began <= 48
    trained = lived.told("daily check: train", noticed["hour"])
    approved = lived.told("was approved", noticed["hour"])
    deployed = lived.told("is in production", noticed["hour"])
    assert trained
    assert approved
    assert deployed
    assert noticed["hour"] <= trained[0] <= noticed["hour"] + 24
    assert trained[0] <= approved[0] <= deployed[0] <= began + LEARNABLE_HOURS + 24


@planted
def test_the_failing_canary_is_taken_back_by_the_judge(lived: Lived) -> None:
    drilled = lived.told("drill:")

    assert drilled
    assert "the failing canary was taken back after" in drilled[1]


@long_enough
def test_memory_grows_by_little_although_one_process_does_everything(lived: Lived) -> None:
    """Measured, in an hour: 1.3 to 2.5 MiB, with three to six trainings and days of alarms."""
    assert lived.resident_slope() < 4.0 * MIB


@long_enough
def test_disk_grows_with_the_data(lived: Lived) -> None:
    """The second half costs no more than the first for as many rows, or, as an hour has its commit, for as many hours.

    A tenth, and what a day's files cost, is left.
    """
    half = HOURS // 2
    for part, rows in PARTS.items():
        (early, few), (late, many) = lived.grown(part, rows, until=half), lived.grown(part, rows, since=half)
        assert late < 1.3 * early * max(many / few, 1.0), (part, early, few, late, many)


def test_uploads_lie_where_they_were_put_and_nothing_beside_them(lived: Lived) -> None:
    assert lived.final["landed"]["found"] == lived.final["landed"]["uploaded"] > 0


@long_enough
def test_runs_of_the_hourly_pipelines_are_not_kept_for_good(lived: Lived) -> None:
    """The settings say two days; the upkeep comes once a day."""
    for runs in lived.final["runs"].values():
        assert 48 <= runs <= 24 * 3 + 2
