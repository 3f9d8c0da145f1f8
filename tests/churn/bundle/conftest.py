from pathlib import Path

import pytest

from benchmarks import frames
from churn.bundle.bundle import Bundle
from churn.bundle.manifest import Lineage
from churn.bundle.write import write_bundle
from churn.evaluation.report import EvaluationReport
from churn.evaluation.settings import EvaluationSettings
from churn.training.frames import SplitFrames
from churn.training.judge import judge
from churn.training.settings import HistGradientBoostingSettings, RandomForestSettings, TrainingSettings
from churn.training.train import TrainedCandidate, train_candidates

Trained = dict[str, TrainedCandidate]


@pytest.fixture(scope="session")
def settings() -> TrainingSettings:
    return TrainingSettings(
        random_forest=RandomForestSettings(trees=25, search_trees=5, leaf_shares=(0.01,)),
        hist_gradient_boosting=HistGradientBoostingSettings(trials=1, iterations=60),
        evaluation=EvaluationSettings(bootstrap_rounds=40, importance_rows=300, importance_rounds=1),
        reference_rows=400,
        transformed_rows=250,
    )


@pytest.fixture(scope="session")
def splits() -> SplitFrames:
    return frames.split_frames(train_rows=1500, later_rows=700)


@pytest.fixture(scope="session")
def trained(splits: SplitFrames, settings: TrainingSettings) -> Trained:
    return {candidate.name: candidate for candidate in train_candidates(splits, frames.catalogue(), settings)}


@pytest.fixture(scope="session")
def report(trained: Trained, splits: SplitFrames, settings: TrainingSettings) -> EvaluationReport:
    return judge(list(trained.values()), splits, frames.catalogue(), settings)


@pytest.fixture(scope="session")
def lineage(splits: SplitFrames) -> Lineage:
    return frames.lineage(splits)


@pytest.fixture(scope="session")
def bundles(
    trained: Trained,
    splits: SplitFrames,
    report: EvaluationReport,
    settings: TrainingSettings,
    lineage: Lineage,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Bundle]:
    root: Path = tmp_path_factory.mktemp("bundles")
    return {
        name: write_bundle(root / name, candidate, splits, report, settings, lineage)
        for name, candidate in trained.items()
    }
