from typing import Any

import pytest

from seldon.cluster.layout import CONTAINER, SERVER, TRACK_LABEL, Layout, spec_of
from seldon.cluster.seen import DESIRED, HISTORY, LIVE, Found, Pod, Trouble, missing, observed_server, trouble
from seldon.gateway.state import Server
from tests.seldon.cluster.test_history import history, wish
from tests.seldon.cluster.test_layout import CANARY, SETTINGS, STABLE


def pod(server: Server = STABLE, track: str = "stable", *, ready: bool = True, **container: Any) -> Pod:
    return Pod(
        {
            "metadata": {
                "name": f"{track}-1",
                "labels": {TRACK_LABEL: track},
                "annotations": {SERVER: server.model_dump_json()},
            },
            "status": {
                "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
                "containerStatuses": [{"name": "executor", "restartCount": 9}, {"name": CONTAINER, **container}],
            },
        }
    )


def found(layout: Layout, state: str = "Available", **annotations: str) -> Found:
    predictors = spec_of(layout, "churn", "churn", SETTINGS).plain()["predictors"]
    metadata = {"resourceVersion": "7", "generation": 3, "annotations": annotations}
    return Found({"metadata": metadata, "spec": {"predictors": predictors}, "status": {"state": state}})


def workload(**status: int) -> dict[str, Any]:
    full = {"observedGeneration": 2, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1}
    return {"metadata": {"name": "churn-stable-0-churn", "generation": 2}, "status": full | status}


ALONE, BOTH = Layout(stable=STABLE), Layout(stable=STABLE, canary=CANARY, weight=5)


def test_what_was_asked_for_is_read_back() -> None:
    desired, kept = wish(4, 5), history(None, 5)

    seen = found(BOTH, **{DESIRED: desired.model_dump_json(), HISTORY: kept.model_dump_json(), LIVE: "3"})

    assert (seen.desired, seen.history, seen.live) == (desired, kept, 3)
    assert seen.follows(BOTH)
    assert not seen.follows(BOTH.model_copy(update={"weight": 25}))
    assert not seen.follows(ALONE)


def test_what_somebody_else_made_or_damaged_is_nobodys_wish() -> None:
    damaged = found(ALONE, **{DESIRED: "{}", HISTORY: "[", LIVE: "x"})

    assert found(ALONE).desired is None
    assert (damaged.desired, damaged.history.periods, damaged.live) == (None, (), 0)


def test_restarts_are_those_of_the_server_and_the_ready_pod_speaks() -> None:
    pods = [pod(ready=False, restartCount=2), pod()]

    seen = observed_server(pods, "stable")

    assert seen is not None
    assert (seen.version, seen.ready, seen.restarts) == ("1", True, 2)
    assert observed_server(pods, "canary") is None


def test_nothing_is_missing_when_all_is_there() -> None:
    assert list(missing(ALONE, found(ALONE), [pod()], [workload()], 1)) == []


@pytest.mark.parametrize(
    ("layout", "seen", "pods", "workloads", "says"),
    [
        (ALONE, found(ALONE, "Creating"), [pod()], [workload()], "is Creating"),
        (ALONE, found(ALONE, ""), [pod()], [workload()], "not taken up by Seldon's operator"),
        (ALONE, found(ALONE), [pod(ready=False)], [workload()], "stable 1: 0 of 1 pods are ready"),
        (BOTH, found(BOTH), [pod()], [workload()], "canary 2: 0 of 1 pods are ready"),
        (ALONE, found(ALONE), [pod(), pod(CANARY, "canary")], [workload()], "canary: pod canary-1 has not left yet"),
        (ALONE, found(ALONE), [pod(), pod(CANARY)], [workload()], "stable: pod stable-1 has not left yet"),
        (ALONE, found(ALONE), [pod()], [workload(updatedReplicas=0)], "is being rolled out"),
        (ALONE, found(ALONE), [pod()], [workload(observedGeneration=1)], "is being rolled out"),
    ],
)
def test_what_is_missing_is_named(layout: Layout, seen: Found, pods: Any, workloads: Any, says: str) -> None:
    assert any(says in line for line in missing(layout, seen, pods, workloads, 1))


def ended(status: int, restarts: int = 0) -> dict[str, Any]:
    last = {"terminated": {"exitCode": status, "reason": "Error", "message": "manifest.json: altered"}}
    return {"lastState": last, "restartCount": restarts}


def test_a_pod_is_gone_when_nothing_of_it_runs_though_its_node_still_lists_it() -> None:
    running = pod(state={"running": {"startedAt": "2026-11-22T12:00:00Z"}})
    leaving = {**running.body["metadata"], "deletionTimestamp": "2026-11-22T12:00:00Z"}
    crashed = pod(ready=False, state={"waiting": {"reason": "CrashLoopBackOff"}})

    assert not running.gone
    assert not Pod({**running.body, "metadata": leaving}).gone
    assert not crashed.gone  # it will be started again
    assert Pod({**crashed.body, "metadata": leaving}).gone


def test_a_refused_bundle_is_final_and_a_store_that_was_away_is_tried_again() -> None:
    refused, away = pod(ready=False, **ended(3)).trouble, pod(ready=False, **ended(4, 2)).trouble

    assert refused is not None
    assert refused.final
    assert "status 3 (Error): manifest.json: altered" in refused.says
    assert pod(ready=False, **ended(4, 1)).trouble is None
    assert away is not None
    assert not away.final
    assert "status 4" in away.says
    assert pod(ready=True, **ended(137, 5)).trouble is None


def test_an_image_that_cannot_be_had_is_trouble_that_may_pass() -> None:
    waiting: dict[str, Any] = {"state": {"waiting": {"reason": "ImagePullBackOff", "message": "not found"}}}

    assert pod(ready=False, **waiting).trouble == Trouble("pod stable-1: ImagePullBackOff: not found")


def test_a_pod_that_has_to_go_may_be_as_broken_as_it_likes() -> None:
    broken = pod(CANARY, "canary", ready=False, **ended(3))

    assert trouble(BOTH, [pod(), broken])
    assert trouble(ALONE, [pod(), broken]) is None


def test_an_operator_that_lags_behind_a_change_is_not_done() -> None:
    seen = found(ALONE)
    body = {**seen.body, "status": {"state": "Available", "observedGeneration": 2}}

    assert seen.available
    assert not Found(body).available
