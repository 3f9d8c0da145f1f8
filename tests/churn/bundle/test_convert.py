from dataclasses import replace

import numpy as np
import polars as pl

from benchmarks import frames
from churn.bundle.bundle import inputs_of, open_session, run
from churn.bundle.convert import OUTPUT, to_onnx
from churn.training.frames import SplitFrames
from churn.training.settings import BASELINE, TrainingSettings
from churn.training.train import train_candidates


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
