from dataclasses import replace
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from benchmarks import frames
from churn.bundle.bundle import Bundle
from churn.bundle.write import write_bundle
from churn.evaluation.settings import EvaluationSettings
from churn.training.judge import judge
from churn.training.settings import TrainingSettings
from churn.training.train import train_candidates


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A small model that goes by recency, activity and plan, and never looks at a constant."""
    settings = TrainingSettings(
        candidates=("logistic_regression",),
        evaluation=EvaluationSettings(bootstrap_rounds=20, importance_rows=100, importance_rounds=1),
        reference_rows=300,
        transformed_rows=50,
    )
    splits, catalogue = frames.split_frames(900, 500), frames.catalogue()
    trained = list(train_candidates(splits, catalogue, settings))
    path: Path = tmp_path_factory.mktemp("scoring") / "bundle"
    report = judge(trained, splits, catalogue, settings)
    return write_bundle(path, trained[0], splits, report, settings, frames.lineage(splits))


@pytest.fixture(scope="session")
def rows() -> pl.DataFrame:
    return frames.snapshots(600, date(2026, 11, 21), 5)


@pytest.fixture
def near(bundle: Bundle) -> Bundle:
    """The same model with its threshold at the score of a golden row."""
    manifest = bundle.manifest.model_copy(update={"threshold": bundle.manifest.golden[8].score})
    return replace(bundle, manifest=manifest)
