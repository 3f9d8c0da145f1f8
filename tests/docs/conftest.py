from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from benchmarks import frames
from churn.evaluation.settings import EvaluationSettings
from churn.features.feature_set import FeatureSet
from churn.features.settings import FeatureSettings
from churn.training.frames import SplitFrames
from churn.training.settings import BASELINE, TrainingSettings
from tests.churn.features.conftest import FeatureLake

START = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="session")
def purchases() -> list[dict[str, object]]:
    """Five customers, the first one every day, the second every other one and so on, with 3 pieces each time."""
    return [
        {
            "customer_id": f"cus{number}",
            "event_time": START + timedelta(days=day),
            "available_at": START + timedelta(days=day, hours=1),
            "event_type": "purchase",
            "amount": 2.5,
            "quantity": 3.0,
        }
        for day in range(45)
        for number in range(5)
        if day % (number + 1) == 0
    ]


@pytest.fixture(scope="session")
def few_days() -> FeatureSettings:
    return FeatureSettings(horizon_days=10, active_days=30, min_history_days=5, max_train_cutoffs=1, threads=1)


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the examples are run."""
    return tmp_path_factory.mktemp("project")


@pytest.fixture(scope="session")
def lake(project: Path, project_root: Path, purchases: list[dict[str, object]]) -> FeatureLake:
    """A lake where the examples look for one."""
    folder = project / ".churn" / "dev"
    folder.mkdir(parents=True)
    lake = FeatureLake(folder, project_root / "dbt")
    lake.add(purchases)
    return lake


@pytest.fixture(scope="session")
def first(lake: FeatureLake, few_days: FeatureSettings) -> FeatureSet:
    """The first version of its feature table."""
    return lake.build(few_days)


@pytest.fixture(scope="session")
def splits() -> SplitFrames:
    return frames.split_frames(train_rows=1500, later_rows=700)


@pytest.fixture(scope="session")
def quick() -> TrainingSettings:
    return TrainingSettings(
        candidates=(BASELINE,),
        evaluation=EvaluationSettings(bootstrap_rounds=20, importance_rows=200, importance_rounds=1),
        reference_rows=200,
    )
