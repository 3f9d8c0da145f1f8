"""How often the judge errs, in simulated rollouts of customers who come back and stick to a track."""

import numpy as np
import pytest

from benchmarks.rollout import (
    AT_MARGIN,
    FAULTS,
    FIXED,
    SAME,
    SETTINGS,
    alarms,
    baseline,
    detection,
    false_promotions,
    fixed_thresholds,
    judgement_cost,
)
from benchmarks.rollout_paths import paths, split_odds
from benchmarks.rollout_world import DEFAULT_RAMP, START, Canary, World
from churn.rollout.baseline import Promise
from churn.rollout.judge import judge

FAST = ["latency × 1.5", "scores + 0.05", "10 % constant scores", "every request fails"]


@pytest.fixture(scope="module")
def world() -> World:
    return World()


def test_the_simulation_bets_as_the_judge_does(world: World) -> None:
    many = Canary(errors_times=3, slower=1.3, higher=0.03, constant=0.03, contacts=0.02)
    traffic, known = world.traffic(5, 6_000, DEFAULT_RAMP, many), baseline(world)

    verdict = judge(
        traffic.frame(), settings=SETTINGS, baseline=known, promise=Promise(), step=3, since=START, now=START
    )

    simulated = paths(traffic, SETTINGS, known)
    metrics = verdict.evidence.metrics
    assert {metric.metric: metric.won for metric in metrics} == {name: won[-1] for name, won in simulated.won.items()}
    assert any(metric.won for metric in metrics)
    assert not all(metric.won for metric in metrics)
    assert split_odds(traffic)[-1] == pytest.approx(verdict.evidence.sample_ratio_log_odds, abs=1e-6)
    assert (verdict.decision == "ROLLBACK") == any(flags[-1] for flags in simulated.rollback.values())


def test_few_rollouts_are_ended_by_chance(world: World) -> None:
    found = alarms(world, 120, requests=16_000)

    assert found.won <= 4
    assert found.rolled_back <= found.won
    assert found.invalid <= 1


@pytest.mark.parametrize("fault", FAST)
def test_a_fault_is_found(world: World, fault: str) -> None:
    found = detection(world, FAULTS[fault], DEFAULT_RAMP, 20)

    assert found.share == 1
    assert np.median(found.requests) < 5_000


def test_at_the_margin_few_are_promoted(world: World) -> None:
    assert false_promotions(world, "scores + 0.02", 100, requests=16_000) <= 12


def test_fixed_thresholds_end_good_rollouts_and_know_nothing_of_scores(world: World) -> None:
    assert fixed_thresholds(world, SAME, FIXED["5 %"], 20, allowed=0) > 0.05
    assert fixed_thresholds(world, FAULTS["scores + 0.05"], FIXED["5 %"], 20, allowed=2) < 0.2


@pytest.mark.slow
def test_a_judgement_over_a_million_requests_takes_less_than_a_second(world: World) -> None:
    assert min(judgement_cost(world) for _ in range(3)) <= 1


@pytest.mark.slow
@pytest.mark.timeout(3_600)
def test_ten_thousand_good_rollouts_hardly_ever_end_in_a_rollback(world: World) -> None:
    found = alarms(world, 10_000)

    assert found.won <= SETTINGS.alpha * 10_000
    assert found.invalid <= 10_000 / SETTINGS.sample_ratio
    assert found.promoted_by(80_000) >= 0.8


@pytest.mark.slow
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("name", AT_MARGIN)
def test_a_canary_at_the_margin_is_promoted_no_more_often_than_beta(world: World, name: str) -> None:
    assert false_promotions(world, name, 2_000) <= SETTINGS.beta * 2_000


@pytest.mark.slow
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("fault", FAULTS)
def test_ninety_nine_faults_of_a_hundred_are_found_within_the_cap(world: World, fault: str) -> None:
    assert detection(world, FAULTS[fault], DEFAULT_RAMP, 300).share >= 0.99
