"""The fitted scikit-learn pipeline, as every peer that runs it loads and feeds it."""

import os
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

PLACE = "CHURN_BENCH_PIPELINE"
"""Environment variable that holds the path of the pickled pipeline."""


def load() -> Any:  # noqa: ANN401 - scikit-learn has no types
    """Return the pipeline that the benchmark trained."""
    return pickle.loads(Path(os.environ[PLACE]).read_bytes())


def score(pipeline: Any, names: Sequence[str], rows: Sequence[Sequence[Any]]) -> Any:  # noqa: ANN401
    """Return the probabilities to stay and to churn of each row."""
    import pandas as pd

    return pipeline.predict_proba(pd.DataFrame(rows, columns=list(names)))
