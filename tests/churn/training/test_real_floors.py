"""What models must reach on real customers, on months they have not seen; prints the tables of docs/benchmarks.md."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from churn.evaluation.bootstrap import Estimate
from churn.evaluation.report import EvaluationReport
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


@dataclass(frozen=True)
class Reached:
    """What one set came to."""

    floor: Floor
    report: EvaluationReport
    chosen: str


@pytest.fixture(scope="module")
def reached(request: pytest.FixtureRequest) -> Iterator[list[Reached]]:
    """Filled by the tests and printed after the last one."""
    found: list[Reached] = []
    yield found
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        print("\n\n" + "\n".join([*quality(found), "", *beside_wanted(found)]))


def quality(found: Sequence[Reached]) -> Iterator[str]:
    """Every candidate beside its floor."""
    names = list(found[0].report.models) if found else []
    yield f"| data set | horizon, active | customers | floor | {' | '.join(names).replace('_', ' ')} | recency only |"
    yield f"|---|---|---:|---:|{'---:|' * len(names)}---:|"
    for one in found:
        cells = [auc(one.report.models[name].metrics["roc_auc"], chosen=name == one.chosen) for name in names]
        yield (
            f"| {one.floor.source} | {one.floor.horizon} d, {one.floor.active} d | {one.report.rows:,} "
            f"| {one.floor.auc} | {' | '.join(cells)} | {one.report.recency.metrics['roc_auc'].value:.3f} |"
        )


def beside_wanted(found: Sequence[Reached]) -> Iterator[str]:
    """The chosen candidate beside recency, and beside what a constant reaches."""
    yield "| data set | gain over recency | wanted | Brier score | base · (1 − base) | leave | contacted |"
    yield "|---|---:|---:|---:|---:|---:|---:|"
    for one in found:
        model, base = one.report.models[one.chosen], one.report.base_rate
        yield (
            f"| {one.floor.source} | {model.over_recency['roc_auc'].value:.3f} | ≥ 0.05 "
            f"| {model.metrics['brier'].value:.3f} | {base * (1 - base):.3f} | {base:.0%} "
            f"| {model.profit.chosen.contacted:.0%} |"
        )


def auc(estimate: Estimate, *, chosen: bool) -> str:
    if not chosen:
        return f"{estimate.value:.3f}"
    return f"**{estimate.value:.3f}** ({estimate.low:.3f} – {estimate.high:.3f})"


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("floor", [pytest.param(floor, id=floor.source) for floor in FLOORS])
def test_the_chosen_candidate_beats_the_floor(
    floor: Floor, tmp_path: Path, project_root: Path, request: pytest.FixtureRequest, reached: list[Reached]
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
    reached.append(Reached(floor, report, chosen.name))
    ranking, brier = chosen.metrics["roc_auc"].value, chosen.metrics["brier"].value
    gain = chosen.over_recency["roc_auc"].value
    assert ranking is not None
    assert gain is not None
    assert brier is not None
    assert ranking >= floor.auc
    assert gain >= 0.05
    assert brier < report.base_rate * (1 - report.base_rate)
