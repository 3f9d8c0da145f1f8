import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from seldon.gateway.split import Slot, Split, next_split, servers
from seldon.gateway.state import Desired, Server, Track


def server(version: str) -> Server:
    return Server(version=version, digest=version * 64, bundle=f"/bundles/{version}")


def slot(track: Track, version: str, port: int = 20_000) -> Slot:
    return Slot(track=track, server=server(version), port=port + int(version))


def desired(**state: object) -> Desired:
    return Desired.model_validate({"namespace": "churn", "deployment": "churn", "generation": 9, **state})


def slots_of(wanted: Desired) -> dict[Track, Slot]:
    return {track: slot(track, server.version) for track, server in servers(wanted).items()}


def test_a_canary_gets_no_share_before_it_is_usable() -> None:
    wanted = desired(stable=server("7"), canary=server("8"), canary_weight=5, salt="a")
    live = Split(generation=8, stable=slot("stable", "7"))

    waiting = next_split(live, wanted, slots_of(wanted), set(), set())
    arrived = next_split(live, wanted, slots_of(wanted), {slot("canary", "8").name}, set())

    assert (waiting.canary, waiting.generation) == (None, 8)
    assert (arrived.canary, arrived.weight, arrived.generation) == (slot("canary", "8"), 5, 9)


def test_a_canary_leaves_while_the_stable_that_replaces_everything_still_starts() -> None:
    live = Split(generation=8, stable=slot("stable", "7"), canary=slot("canary", "8"), weight=50, salt="a")
    wanted = desired(stable=server("6"))

    split = next_split(live, wanted, slots_of(wanted), set(), set())

    assert (split.stable, split.canary, split.weight) == (slot("stable", "7"), None, 0)


def test_a_promoted_canary_keeps_its_customers_until_it_is_stable() -> None:
    live = Split(generation=8, stable=slot("stable", "7"), canary=slot("canary", "8"), weight=100, salt="a")
    wanted = desired(stable=server("8"))

    assert next_split(live, wanted, slots_of(wanted), set(), set()) == live
    after = next_split(live, wanted, slots_of(wanted), {slot("stable", "8").name}, set())
    assert (after.stable, after.canary) == (slot("stable", "8"), None)


def test_a_canary_that_is_refused_after_a_restart_loses_its_share_and_a_stable_does_not() -> None:
    live = Split(generation=8, stable=slot("stable", "7"), canary=slot("canary", "8"), weight=50, salt="a")
    wanted = desired(stable=server("7"), canary=server("8"), canary_weight=50, salt="a")
    both = {one.name for one in live.slots}

    split = next_split(live, wanted, slots_of(wanted), set(), both)

    assert (split.stable, split.canary) == (slot("stable", "7"), None)


def test_a_bundle_is_named_by_its_absolute_path() -> None:
    with pytest.raises(ValidationError, match="bundle"):
        Server(version="7", digest="7" * 64, bundle="bundles/7")


_VERSIONS = st.sampled_from("678")


@st.composite
def _wanted(draw: st.DrawFn) -> Desired:
    stable = draw(st.none() | _VERSIONS)
    canary = draw(st.none() | _VERSIONS) if stable else None
    weight = draw(st.integers(0, 100)) if canary else 0
    mirror = draw(st.booleans()) if canary and not weight else False
    state = {"stable": stable and server(stable), "canary": canary and server(canary)}
    generation = draw(st.integers(1, 20))
    return desired(**state, generation=generation, canary_weight=weight, mirror=mirror, salt="a")


@given(changes=st.lists(st.tuples(_wanted(), st.sets(st.sampled_from(["stable", "canary"]))), min_size=1, max_size=8))
def test_whatever_is_asked_for_in_whatever_order_only_servers_that_were_usable_are_named(
    changes: list[tuple[Desired, set[str]]],
) -> None:
    live, was_usable = Split(), set[str]()
    for wanted, up in changes:
        slots = slots_of(wanted)
        usable = {one.name for one in slots.values() if one.track in up}
        was_usable |= usable
        before, live = live, next_split(live, wanted, slots, usable, set())

        assert {one.name for one in live.slots} <= was_usable
        assert live.canary is None or live.stable is not None
        assert live.stable is not None or before.stable is None or wanted.stable is None, "stable was lost"
        if wanted.canary is None and live.canary is not None:
            assert wanted.stable == live.canary.server, "only a promoted canary may linger"
        if live.generation == wanted.generation and live != before:
            assert {one.server for one in live.slots} == set(servers(wanted).values())


@pytest.mark.parametrize(
    "state",
    [
        {"canary": server("8")},
        {"stable": server("7"), "canary_weight": 5, "salt": "a"},
        {"stable": server("7"), "canary": server("8"), "canary_weight": 5},
        {"stable": server("7"), "canary": server("8"), "canary_weight": 5, "salt": "a", "mirror": True},
        {"stable": server("7"), "canary": server("8"), "canary_weight": 5, "salt": "\\1"},
        {"stable": server("7"), "canary": server("8"), "canary_weight": 101, "salt": "a"},
    ],
)
def test_a_state_that_makes_no_sense_is_refused(state: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        desired(**state)
