import pytest

from benchmarks.drift import SCENARIOS, SETTINGS, watch

FALSE = [name for name, scenario in SCENARIOS.items() if scenario.column is None]
PLANTED = [name for name, scenario in SCENARIOS.items() if scenario.column is not None]


@pytest.mark.parametrize("name", ["four features swing by ± 0.5 σ every day", "mean + 0.5 σ", "a unit changes, × 100"])
def test_a_few_seeds_are_judged_rightly(name: str) -> None:
    found = watch(SCENARIOS[name], 3)

    assert (found.right, found.elsewhere) == (3 if SCENARIOS[name].column else 0, 0)


@pytest.mark.slow
@pytest.mark.timeout(1_800)
@pytest.mark.parametrize("name", FALSE)
def test_false_alarms_stay_below_the_rate(name: str) -> None:
    found = watch(SCENARIOS[name], 500)

    assert found.alarms / found.runs <= SETTINGS.false_discovery


@pytest.mark.slow
@pytest.mark.timeout(1_800)
@pytest.mark.parametrize("name", PLANTED)
def test_what_is_planted_is_found(name: str) -> None:
    found = watch(SCENARIOS[name], 500)

    assert found.right / found.runs >= 0.95
    assert found.elsewhere / found.runs <= SETTINGS.false_discovery
    assert not SCENARIOS[name].broken or found.broken / found.runs >= 0.95
