import pytest
from pydantic import ValidationError

from churn.rollout.settings import RolloutSettings, RolloutStep
from churn.settings import LakeSettings, LandingSettings, Settings


def step(weight: int, *, cap: int = 100, proof: bool = False) -> RolloutStep:
    return RolloutStep(weight=weight, customers=100, cap=cap, hours=1, proof=proof)


def test_the_default_way_is_shadow_5_25_50() -> None:
    settings = Settings(environment="dev", landing=LandingSettings(url="l"), lake=LakeSettings(url="l")).rollout

    assert [(one.weight, one.proof) for one in settings.steps] == [(0, False), (5, False), (25, False), (50, True)]


@pytest.mark.parametrize(
    ("steps", "says"),
    [
        ((step(25), step(5, proof=True)), "do not rise"),
        ((step(5), step(5, proof=True)), "do not rise"),
        ((step(5), step(50)), "ask for a proof"),
        ((step(0, proof=True),), "ask for a proof"),
        ((step(5, cap=99), step(50, proof=True)), "the cap of the step at 5 %"),
    ],
)
def test_steps_that_make_no_way_are_refused(steps: tuple[RolloutStep, ...], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        RolloutSettings(steps=steps)


def test_metrics_cannot_spend_more_than_alpha() -> None:
    with pytest.raises(ValidationError, match=r"add up to 1\.10"):
        RolloutSettings(error_weight=0.5)
