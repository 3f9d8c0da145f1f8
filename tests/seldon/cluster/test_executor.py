import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from seldon.cluster.executor import counters_since, failures, increases, last_seen, selector
from seldon.cluster.prometheus import Series, TelemetryMissing, raw_series, series_of

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
BEFORE = NOON - timedelta(minutes=5)


def counter(values: Mapping[float, float], track: str = "canary", code: str = "200", pod: str = "a") -> Series:
    """Values by seconds after noon."""
    labels = {"predictor_name": track, "code": code, "pod": pod}
    return Series(labels, tuple((NOON.timestamp() + at, value) for at, value in values.items()))


def total(*series: Series) -> int:
    return int(increases(series, BEFORE)["requests"].sum())


def test_a_counter_that_was_there_before_counts_from_its_first_sample() -> None:
    assert total(counter({-295: 1000, -280: 1010, -265: 1015})) == 15


def test_one_that_began_meanwhile_counts_as_a_whole() -> None:
    assert total(counter({0: 7, 15: 9})) == 9
    assert total(counter({0: 1})) == 1


def test_one_that_was_restarted_counts_again_from_nought_and_never_backwards() -> None:
    grown = increases([counter({-295: 90, -280: 100, -265: 3, -250: 8})], BEFORE)

    assert grown["requests"].to_list() == [10, 3, 5]


def test_failures_are_rows_of_their_track() -> None:
    series = [counter({0: 0, 15: 2}, code="500"), counter({0: 0, 15: 9}), counter({0: 1, 15: 1}, "stable", "429")]

    found = failures(increases(series, BEFORE))

    assert found.group_by("track").len().sort("track").rows() == [("canary", 2), ("stable", 1)]


def test_failures_are_spread_over_the_time_between_two_samples() -> None:
    found = failures(increases([counter({-20: 1, 0: 1, 20: 5}, code="500")], NOON - timedelta(seconds=21)))

    assert [(at - NOON).total_seconds() for at in found["at"]] == [2.5, 7.5, 12.5, 17.5]


def test_counters_begin_after_the_first_look_and_add_up_pods() -> None:
    series = [
        counter({-15: 100, 15: 130, 30: 140}),
        counter({-15: 5, 15: 5, 30: 8}, pod="b"),
        counter({-15: 0, 15: 0, 30: 1}, code="503"),
    ]
    seen = tuple(last_seen(series))

    found = counters_since(increases(series, BEFORE), seen, NOON)

    assert found.canary is not None
    assert (found.canary.requests, found.canary.failed) == (14, 1)  # the samples around noon say nothing of after it
    assert found.stable is None


def test_the_last_sample_of_any_pod_is_how_far_a_track_is_known() -> None:
    series = [counter({0: 1, 15: 2}), counter({0: 1, 30: 2}, pod="b"), counter({}, "stable")]

    assert last_seen(series) == {"canary": NOON + timedelta(seconds=30)}


def test_it_asks_for_predictions_of_one_deployment() -> None:
    asked = selector("churn", "team-a", "namespace")

    assert asked.startswith("seldon_api_executor_server_requests_seconds_count{")
    assert 'deployment_name="churn"' in asked
    assert 'namespace="team-a"' in asked
    assert "namespace" not in selector("churn", "team-a", "")


def test_an_answer_is_read_and_another_kind_is_none() -> None:
    metric = {"predictor_name": "stable", "code": "200"}
    matrix = {"resultType": "matrix", "result": [{"metric": metric, "values": [[1.5, "7"], [2.5, "8"]]}]}

    [series] = series_of(json.dumps({"status": "success", "data": matrix}).encode())

    assert series == Series(metric, ((1.5, 7.0), (2.5, 8.0)))
    for other in (b"<html>", b"[]", b'{"status": "error"}', b'{"status": "success", "data": {"resultType": "vector"}}'):
        with pytest.raises(ValueError, match=r".*"):
            series_of(other)


def test_without_an_answer_it_says_whom_it_asked() -> None:
    with pytest.raises(TelemetryMissing, match=r"http://127\.0\.0\.1:9: does not answer"):
        raw_series("http://127.0.0.1:9", "up", BEFORE, NOON, 1.0)


def test_nothing_at_all_has_the_right_columns() -> None:
    assert failures(increases([], BEFORE)).schema == {"at": pl.Datetime("us", "UTC"), "track": pl.String()}
