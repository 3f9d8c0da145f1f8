"""What any churn model must do, whatever it was trained on."""

import numpy as np
import polars as pl
import pytest

from churn.training.frames import SplitFrames
from churn.training.settings import TrainingSettings
from churn.training.train import TrainedCandidate

Trained = dict[str, TrainedCandidate]
Facts = dict[str, float | str]

every_candidate = pytest.mark.parametrize("name", TrainingSettings().candidates)

TOLERANCE = 0.02
"""Trees step: a little more risk for a little more activity is noise, not a direction."""


@every_candidate
def test_what_is_irrelevant_changes_nothing(trained: Trained, splits: SplitFrames, name: str) -> None:
    candidate, rows = trained[name], splits.test
    before = candidate.score(rows)

    reversed_rows = rows.with_columns(customer_id=pl.lit("somebody else"), churned=~pl.col("churned")).reverse()

    assert candidate.score(reversed_rows) == pytest.approx(before[::-1], abs=1e-7)
    assert candidate.score(rows.with_columns(constant=pl.lit(7.0), never=pl.lit(7.0))) == pytest.approx(before)


@every_candidate
@pytest.mark.parametrize(
    ("column", "fresher"),
    [("recency_days", 0.5), ("events_90d", 2.0)],
)
def test_fresher_activity_never_raises_risk(
    trained: Trained, splits: SplitFrames, name: str, column: str, fresher: float
) -> None:
    rows = splits.test

    risen = trained[name].score(rows.with_columns(pl.col(column) * fresher)) - trained[name].score(rows)

    assert risen.mean() < 0
    assert np.quantile(risen, 0.95) <= TOLERANCE


@every_candidate
def test_obvious_cases_are_obvious(trained: Trained, splits: SplitFrames, name: str) -> None:
    loyal: Facts = {"recency_days": 0.0, "tenure_days": 800.0, "events_30d": 20.0, "events_90d": 60.0, "plan": "gold"}
    lost: Facts = {"recency_days": 85.0, "tenure_days": 20.0, "events_30d": 0.0, "events_90d": 1.0, "plan": "basic"}
    row = splits.test.head(1)

    def risk(facts: Facts) -> float:
        return float(trained[name].score(row.with_columns(**{key: pl.lit(value) for key, value in facts.items()}))[0])

    assert risk(loyal) < 0.2
    assert risk(lost) > 0.7
