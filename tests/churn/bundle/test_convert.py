from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from benchmarks import frames
from churn.bundle.bundle import inputs_of, run
from churn.bundle.checked import open_session
from churn.bundle.convert import to_onnx
from churn.bundle.errors import BundleRefused
from churn.bundle.manifest import Lineage
from churn.bundle.probability import OUTPUT
from churn.bundle.write import write_bundle
from churn.evaluation.report import EvaluationReport
from churn.training.frames import SplitFrames
from churn.training.settings import BASELINE, TrainingSettings
from churn.training.train import TrainedCandidate, train_candidates


def test_categories_of_which_none_is_frequent_still_convert(splits: SplitFrames) -> None:
    catalogue = frames.catalogue()
    codes = [feature.name for feature in catalogue if feature.kind == "categorical"]

    def scattered(frame: pl.DataFrame) -> pl.DataFrame:
        numbers = pl.int_range(frame.height).cast(pl.String)
        return frame.with_columns((pl.lit(f"{name} ") + numbers).alias(name) for name in codes)

    rare = replace(splits, train=scattered(splits.train), selection=scattered(splits.selection))
    [trained] = train_candidates(rare, catalogue, TrainingSettings(candidates=(BASELINE,)))
    session = open_session(to_onnx(trained.pipeline, catalogue))

    scores = run(session, OUTPUT, inputs_of(splits.test, catalogue))

    assert np.abs(scores - trained.score(splits.test)).max() < 1e-5


class CoinToss(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A classifier that nobody wrote a converter for."""


@pytest.mark.parametrize(
    ("place", "estimator", "named"),
    [
        pytest.param(
            1, ("rounding", FunctionTransformer(np.round)), "FunctionTransformer, the step rounding", id="step"
        ),
        pytest.param(2, ("model", CoinToss()), "CoinToss, the step model", id="classifier"),
    ],
)
def test_an_estimator_without_onnx_is_refused_by_name(
    trained: dict[str, TrainedCandidate],
    splits: SplitFrames,
    report: EvaluationReport,
    settings: TrainingSettings,
    lineage: Lineage,
    tmp_path: Path,
    place: int,
    estimator: tuple[str, BaseEstimator],
    named: str,
) -> None:
    candidate = trained[BASELINE]
    steps = list(candidate.pipeline.steps)
    steps[place : place + (place > 1)] = [estimator]
    foreign = replace(candidate, pipeline=Pipeline(steps))

    with pytest.raises(BundleRefused, match=rf"^{BASELINE}: {named} of its pipeline, cannot be converted to ONNX \("):
        write_bundle(tmp_path / "refused", foreign, splits, report, settings, lineage)

    assert list(tmp_path.iterdir()) == []
