from datetime import timedelta
from pathlib import Path

import pytest
from zenml.enums import VisualizationType

from churn.rollout.history import look_of
from churn.rollout.verdict import RolloutVerdict
from materializers.rollout import OutcomeMaterializer, PlanMaterializer
from seldon.gateway.state import Server
from seldon.rollout.outcome import Cost, RolloutOutcome
from seldon.rollout.plan import RolloutPlan
from tests.rollout import START, judged, traffic
from tests.seldon.rollout.conftest import plan_of

REASON = "its scores <b>differ</b>"


def outcome(*verdicts: RolloutVerdict) -> RolloutOutcome:
    return RolloutOutcome(
        version="8",
        replaced="7",
        deployment="churn/churn",
        ending="rolled_back",
        reason=REASON,
        began=START,
        ended=START + timedelta(minutes=5),
        cost=Cost(requests=1_234, customers=900, failed=5, decisions=17),
        verdicts=verdicts,
        history=tuple(map(look_of, verdicts)),
    )


@pytest.mark.parametrize(
    "ended",
    [
        outcome(),
        outcome(judged(traffic(3_000, canary_error=0.3))),
        outcome(judged(traffic(400, weight=0), 0), judged(traffic(3_000, error=0.0, canary_error=1.0, slower=50.0))),
        outcome(judged(traffic(0))),
    ],
    ids=["no judge", "worse", "all failed", "no request"],
)
def test_an_outcome_comes_back_as_it_was_with_its_page(ended: RolloutOutcome, place: str) -> None:
    materializer = OutcomeMaterializer(uri=place)

    materializer.save(ended)
    [(page, kind)] = materializer.save_visualizations(ended).items()
    loaded = OutcomeMaterializer(uri=place).load(RolloutOutcome)

    assert loaded == ended
    assert isinstance(loaded, RolloutOutcome)
    assert loaded.digest == ended.digest
    assert kind == VisualizationType.HTML
    text = Path(page).read_text()
    assert "version 8" in text.lower()
    assert "its scores &lt;b&gt;differ" in text
    assert materializer.extract_metadata(ended)["decisions"] == 17


def test_a_plan_comes_back_as_it_was_with_its_page(place: str, tmp_path: Path) -> None:
    stable = Server(version="7", digest="a" * 64, bundle=str(tmp_path))
    for plan in (plan_of(Server(version="8", digest="b" * 64, bundle=str(tmp_path)), of) for of in (stable, None)):
        materializer = PlanMaterializer(uri=place)
        materializer.save(plan)
        [(page, _)] = materializer.save_visualizations(plan).items()

        assert PlanMaterializer(uri=place).load(RolloutPlan) == plan
        assert "Rollout of version 8" in Path(page).read_text()
