from datetime import UTC, datetime, timedelta

import polars as pl

from seldon.cluster.history import History
from seldon.gateway.state import Desired, Server

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
STABLE = Server(version="1", digest="1" * 64, bundle="s3://store/1")
CANARY = Server(version="2", digest="2" * 64, bundle="s3://store/2")


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def wish(generation: int, weight: int | None) -> Desired:
    canary = None if weight is None else CANARY
    return Desired(
        namespace="churn",
        deployment="churn",
        generation=generation,
        stable=STABLE,
        canary=canary,
        canary_weight=weight or 0,
        salt="a",
    )


def history(*weights: int | None) -> History:
    """One weight every ten minutes, live a minute after it was written."""
    kept = History()
    for number, weight in enumerate(weights):
        kept = kept.begun(wish(number + 1, weight), at(10 * number)).now_live(number + 1, at(10 * number + 1))
    return kept


def weights(kept: History, *minutes: float) -> list[float]:
    requests = pl.DataFrame({"at": [at(minute) for minute in minutes]}, {"at": pl.Datetime("us", "UTC")})
    return kept.weighed(requests)["weight"].to_list()


def test_the_odds_are_those_of_the_moment() -> None:
    assert weights(history(None, 5, 50), 5, 15, 25) == [0.0, 0.05, 0.5]


def test_while_weights_change_and_before_the_first_nothing_is_compared() -> None:
    assert weights(history(None, 5, 50), -1, 0.5, 10.5, 20.9, 21) == [1.0, 1.0, 1.0, 1.0, 0.5]


def test_a_change_of_nothing_but_the_mirror_leaves_the_odds() -> None:
    assert weights(history(0, 0), 5, 10.5, 15) == [0.0, 0.0, 0.0]


def test_a_weight_that_never_was_live_is_never_known() -> None:
    kept = history(None).begun(wish(2, 5), at(10))

    assert weights(kept, 5, 15, 500) == [0.0, 1.0, 1.0]


def test_it_survives_being_written_and_forgets_what_is_old() -> None:
    kept = History.model_validate_json(history(None, 5).model_dump_json())
    late = kept.begun(wish(3, None), at(60 * 24 * 7 + 5))

    assert [period.generation for period in late.periods] == [2, 3]
    assert kept.begun(wish(2, 5), at(99)) == kept  # the same wish again is no new period
    assert kept.canary_since() == at(10)
    assert late.canary_since() is None


def test_a_thousand_changes_fit_an_annotation() -> None:
    kept = History()
    for number in range(1000):
        kept = kept.begun(wish(number + 1, 5), at(number / 100)).now_live(number + 1, at(number / 100))

    assert len(kept.model_dump_json()) < 64_000
