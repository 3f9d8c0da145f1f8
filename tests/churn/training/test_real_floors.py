"""What models must reach on real customers, on months they have not seen."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from churn.features.build import build_features
from churn.features.catalogue import load_catalogue
from churn.features.settings import FeatureSettings
from churn.lake.snapshot import take_snapshot
from churn.landing.zone import LandingZone
from churn.sources.registry import open_source
from churn.sources.replay import replay
from churn.training.frames import SplitFrames
from churn.training.judge import judge
from churn.training.settings import TrainingSettings
from churn.training.train import best_candidate, train_candidates
from tests.world import world_in

TODAY = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Floor:
    """Horizon and active window in days, and the ROC-AUC the chosen candidate must reach on the test cutoff."""

    source: str
    horizon: int
    active: int
    auc: float
    path: str | None = None


FLOORS = (
    Floor("online_retail", 90, 90, 0.74, "online_retail/by-day.tar.gz"),
    Floor("complete_journey", 30, 90, 0.77, "complete_journey"),
    Floor("cdnow", 90, 180, 0.71),
)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("floor", [pytest.param(floor, id=floor.source) for floor in FLOORS])
def test_the_chosen_candidate_beats_the_floor(
    floor: Floor, tmp_path: Path, project_root: Path, request: pytest.FixtureRequest
) -> None:
    path = request.getfixturevalue("shared_data") / floor.path if floor.path else None
    world = world_in(tmp_path)
    replay(open_source(floor.source, path), LandingZone(world.settings.landing.url), per="day", format="csv")
    world.ingest(TODAY)

    built = build_features(
        take_snapshot(world.lake),
        FeatureSettings(horizon_days=floor.horizon, active_days=floor.active),
        lake_url=world.lake,
        dbt_dir=project_root / "dbt",
        work_dir=tmp_path / "work",
        clock=lambda: TODAY,
    )
    cutoffs = built.cutoffs
    frames = SplitFrames(
        built.frame(cutoffs.train),
        *(built.frame([day]) for day in (cutoffs.selection, cutoffs.calibration, cutoffs.test)),
    )
    catalogue, settings = load_catalogue(project_root / "dbt"), TrainingSettings()
    candidates = train_candidates(frames, catalogue, settings)
    report = judge(candidates, frames, catalogue, settings)

    chosen = report.models[best_candidate(candidates, settings.tie).name]
    auc, brier = chosen.metrics["roc_auc"].value, chosen.metrics["brier"].value
    gain = chosen.over_recency["roc_auc"].value
    assert auc is not None
    assert gain is not None
    assert brier is not None
    assert auc >= floor.auc
    assert gain >= 0.05
    assert brier < report.base_rate * (1 - report.base_rate)
