import pytest

from benchmarks import frames
from churn.features.catalogue import Feature
from churn.training.frames import SplitFrames
from churn.training.settings import HistGradientBoostingSettings, RandomForestSettings, TrainingSettings
from churn.training.train import TrainedCandidate, train_candidates


@pytest.fixture(scope="session")
def catalogue() -> tuple[Feature, ...]:
    return frames.catalogue()


@pytest.fixture(scope="session")
def splits() -> SplitFrames:
    return frames.split_frames(train_rows=1500, later_rows=700)


@pytest.fixture(scope="session")
def quick() -> TrainingSettings:
    """All three candidates with a search that takes a second."""
    return TrainingSettings(
        random_forest=RandomForestSettings(trees=25, search_trees=5, leaf_shares=(0.01,)),
        hist_gradient_boosting=HistGradientBoostingSettings(trials=2, iterations=60),
    )


@pytest.fixture(scope="session")
def trained(
    splits: SplitFrames, catalogue: tuple[Feature, ...], quick: TrainingSettings
) -> dict[str, TrainedCandidate]:
    return {candidate.name: candidate for candidate in train_candidates(splits, catalogue, quick)}
