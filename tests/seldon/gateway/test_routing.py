import http.client
import json
import time
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime, timedelta

from tests.seldon.gateway.conftest import PREDICTIONS, World, token


def test_weights_move_under_traffic_and_no_request_fails(world: World) -> None:
    stable, canary = world.server("7"), world.server("8")
    world.apply(stable=stable)

    with world.traffic() as traffic:
        for weight in (5, 25, 50, 100):
            world.apply(stable=stable, canary=canary, canary_weight=weight, salt="a")
            time.sleep(0.4)
        world.apply(stable=canary)
        time.sleep(0.3)
        world.wait(lambda observed: not observed.draining)

    assert not traffic.failed()
    assert len(traffic.replies) > 500
    assert {"stable", "canary"} == set(traffic.tracks())
    assert traffic.replies[-1].version == "8"
    assert traffic.replies[-1].track == "stable"


def test_a_customer_stays_on_one_track_as_weights_grow_and_a_new_salt_draws_anew(world: World) -> None:
    state = {"stable": world.server("7"), "canary": world.server("8")}
    world.apply(**state, canary_weight=20, salt="rollout-1")
    first = world.assignment(300)
    again = world.assignment(300)
    world.apply(**state, canary_weight=50, salt="rollout-1")
    grown = world.assignment(300)
    world.apply(**state, canary_weight=50, salt="rollout-2")
    reshuffled = world.assignment(300)

    assert again == first
    assert 30 <= Counter(first.values())["canary"] <= 90
    assert all(grown[customer] == "canary" for customer in first if first[customer] == "canary")
    moved = sum(grown[customer] != reshuffled[customer] for customer in grown)
    assert 105 <= moved <= 195, "half of them, if salts are independent"


def test_without_a_customer_the_track_is_drawn_for_each_request(world: World) -> None:
    world.apply(stable=world.server("7"), canary=world.server("8"), canary_weight=50, salt="a")

    for customer in (None, ""):
        tracks = Counter(world.ask(customer).track for _ in range(100))
        assert 25 <= tracks["canary"] <= 75


def test_what_is_no_prediction_goes_to_stable_and_other_paths_nowhere(world: World) -> None:
    world.apply(stable=world.server("7"), canary=world.server("8"), canary_weight=100, salt="a")

    assert world.ask(path="/seldon/churn/churn/v2/models/churn/infer").track == "canary"
    assert world.ask(path="/seldon/churn/churn/api/v1.0/feedback").track == "stable"
    assert world.ask(path="/seldon/churn/churn/metadata", method="GET").track == "stable"
    assert world.ask(path="/seldon/churn/other/api/v1.0/predictions").status == 404
    assert world.ask(path="/seldon/churn/churn/..%2fother/predict").status == 400


def test_a_mirror_sends_copies_and_changes_no_answer(world: World) -> None:
    wrong = world.server("8", kind="wrong")
    world.apply(stable=world.server("7"), canary=wrong, mirror=True, salt="a")
    since = datetime.now(UTC) - timedelta(seconds=5)

    replies = [world.ask(token(number)) for number in range(40)]

    assert {(reply.status, reply.track) for reply in replies} == {(200, "stable")}
    time.sleep(1.0)
    copies = world.deployment.predictions(since).filter(track="canary")
    assert set(copies["request_id"]) == {reply.request_id for reply in replies}
    found = world.deployment.requests(since)
    assert found.group_by("canary").len().sort("canary").rows() == [(False, 40), (True, 40)]
    assert found["weight"].unique().to_list() == [0.0]


def test_a_mirror_that_fails_or_is_dead_fails_no_request(world: World) -> None:
    canary = world.server("8")
    world.apply(stable=world.server("7"), canary=canary, mirror=True, salt="a")

    with world.traffic() as traffic:
        world.breaks(canary, kind="crash")
        time.sleep(2.0)

    assert not traffic.failed()
    assert traffic.tracks() == {"stable": len(traffic.replies)}


def test_a_rollback_takes_the_canary_out_within_a_second_and_then_removes_it(world: World) -> None:
    stable, canary = world.server("7"), world.server("8")
    observed = world.apply(stable=stable, canary=canary, canary_weight=50, salt="a")
    assert observed.canary is not None

    with world.traffic() as traffic:
        time.sleep(0.5)
        verdict = time.monotonic()
        world.apply(stable=stable)
        applied = time.monotonic() - verdict
        time.sleep(1.0)

    last = max(reply.began for reply in traffic.replies if reply.track == "canary")
    assert not traffic.failed()
    assert last - verdict < 1.0
    assert applied < 1.0
    world.wait(lambda state: not state.draining)
    assert not [line for line in world.processes().values() if "--track canary" in line]


def test_the_switch_works_before_and_without_the_supervisor(world: World) -> None:
    stable, canary = world.server("7"), world.server("8")
    observed = world.apply(stable=stable, canary=canary, canary_weight=50, salt="a")
    assert observed.supervisor_pid is not None
    world.deployment._kill(world.desired(stable=stable))

    time.sleep(0.1)
    assert set(world.assignment(60).values()) == {"stable"}
    assert {world.ask().track for _ in range(40)} == {"stable"}


def test_the_access_log_names_customers_by_token_alone_and_holds_nothing_a_client_made_up(world: World) -> None:
    observed = world.apply(stable=world.server("7"))
    person = "juergen.gross@example.org"
    with closing(http.client.HTTPConnection("127.0.0.1", observed.gateway_port)) as connection:
        for customer in (person, token(1), f"{token(1)}{person}"):
            connection.request("POST", f"{PREDICTIONS}?who={person}", b"{}", {"x-customer-id": customer})
            connection.getresponse().read()

    time.sleep(0.6)
    lines = world.deployment.folder.access_log.read_text().splitlines()
    assert [json.loads(line).get("customer") for line in lines] == [None, token(1), None]
    assert person not in "".join(lines)
    assert {json.loads(line)["prediction"] for line in lines} == {True}


def test_a_body_of_megabytes_is_rescued_too(world: World) -> None:
    canary = world.server("8", kind="errors")
    observed = world.apply(stable=world.server("7"), canary=canary, canary_weight=100, salt="a")
    with closing(http.client.HTTPConnection("127.0.0.1", observed.gateway_port)) as connection:
        connection.request("POST", PREDICTIONS, b"{}" + b" " * 4 * 2**20)
        answer = connection.getresponse()
        assert (answer.status, answer.getheader("x-churn-track")) == (200, "stable")
        answer.read()


def test_what_every_server_would_refuse_is_not_tried_again(world: World) -> None:
    stable, canary = world.server("7", kind="stale"), world.server("8", kind="stale")
    world.apply(stable=stable, canary=canary, canary_weight=50, salt="a")

    replies = [world.ask(token(number)) for number in range(20)]

    counters = world.deployment.counters()
    assert counters.canary is not None
    assert {reply.status for reply in replies} == {503}
    assert {reply.track for reply in replies} == {"stable", "canary"}
    assert counters.canary.retries == 0


def test_before_the_first_model_the_path_says_so(world: World) -> None:
    world.apply()

    assert world.ask().status == 503


def test_counters_tell_both_tracks_apart_and_a_rescue_counts_as_the_canarys_failure(world: World) -> None:
    canary = world.server("8", kind="errors", share=1.0)
    world.apply(stable=world.server("7"), canary=canary, canary_weight=50, salt="a")

    replies = [world.ask(token(number)) for number in range(60)]

    counters = world.deployment.counters()
    assert counters.stable is not None
    assert counters.canary is not None
    assert {reply.status for reply in replies} == {200}
    assert counters.stable.requests + counters.canary.requests == 60
    assert counters.stable.failed == 0
    assert counters.canary.retries >= 5
    assert counters.canary.failed == counters.canary.retries
