from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from churn.features.catalogue import Feature
from churn.training import train
from churn.training.errors import LeakSuspected, UnfitCandidate, UnfitData
from churn.training.frames import SplitFrames
from churn.training.settings import BASELINE, TrainingSettings
from churn.training.train import train_candidates

Catalogue = tuple[Feature, ...]
Change = Callable[[pl.DataFrame], pl.DataFrame]


def changed(splits: SplitFrames, change: Change) -> SplitFrames:
    return SplitFrames(*(change(frame) for _, frame in splits.named))


@pytest.mark.parametrize(
    ("split", "change", "message"),
    [
        pytest.param("train", lambda f: f.clear(), "train: no rows", id="empty"),
        pytest.param("train", lambda f: f.head(5), "of 5 customers churned, and both sides need", id="five customers"),
        pytest.param(
            "selection",
            lambda f: f.with_columns(churned=pl.lit(True)),
            "selection: 700 of 700 customers churned, and both sides need at least 30",
            id="one class",
        ),
        pytest.param(
            "calibration",
            lambda f: f.with_columns(churned=pl.lit(None, dtype=pl.Boolean)),
            "calibration: 700 rows have no label yet",
            id="immature",
        ),
        pytest.param(
            "train", lambda f: pl.concat([f, f.head(3)]), "train: 3 rows repeat a customer and cutoff", id="duplicates"
        ),
        pytest.param("test", lambda f: f.drop("plan"), "test: columns plan are missing", id="missing column"),
        pytest.param(
            "test", lambda f: f.with_columns(recency_days=pl.lit("1")), "test: recency_days is String", id="wrong type"
        ),
        pytest.param(
            "test",
            lambda f: f.with_columns(pl.col("cutoff") - timedelta(days=90)),
            "test: its cutoffs do not all lie after those of calibration",
            id="order",
        ),
    ],
)
def test_frames_that_make_no_honest_model_are_refused(
    splits: SplitFrames,
    catalogue: Catalogue,
    quick: TrainingSettings,
    split: str,
    change: Change,
    message: str,
) -> None:
    broken = replace(splits, **{split: change(dict(splits.named)[split])})

    with pytest.raises(UnfitData, match=message):
        train_candidates(broken, catalogue, quick)


def test_scores_that_are_no_numbers_name_the_candidate(
    splits: SplitFrames, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train, "scores_of", lambda pipeline, rows: np.full(len(rows), np.nan))

    with pytest.raises(UnfitCandidate, match=f"^{BASELINE}: gives scores that are no numbers"):
        train_candidates(splits, catalogue, TrainingSettings(candidates=(BASELINE,)))


def test_no_feature_that_varies_is_refused(splits: SplitFrames, catalogue: Catalogue, quick: TrainingSettings) -> None:
    constant = tuple(feature for feature in catalogue if feature.name in ("constant", "never"))

    with pytest.raises(UnfitData, match="none of the 2 features varies"):
        train_candidates(splits, constant, quick)


def test_no_features_are_refused(splits: SplitFrames, quick: TrainingSettings) -> None:
    with pytest.raises(UnfitData, match="the catalogue is empty"):
        train_candidates(splits, (), quick)


@pytest.mark.parametrize("kind", ["numeric", "categorical"])
def test_a_planted_future_column_is_caught_by_name(
    splits: SplitFrames, catalogue: Catalogue, quick: TrainingSettings, kind: str
) -> None:
    def planted(frame: pl.DataFrame) -> pl.DataFrame:
        noise = np.random.default_rng(1).normal(size=frame.height)
        orders_next_month = pl.when("churned").then(0.0).otherwise(3.0) + pl.Series(noise)
        value = orders_next_month if kind == "numeric" else orders_next_month.round(0).cast(pl.Int64).cast(pl.String)
        return frame.with_columns(value.alias("orders_next_month"))

    leaking = (*catalogue, Feature("orders_next_month", "numeric" if kind == "numeric" else "categorical", "a leak"))

    with pytest.raises(LeakSuspected, match=r"train: orders_next_month \(ROC-AUC 0\.9\d+\) tells who churned"):
        train_candidates(changed(splits, planted), leaking, quick)


def test_a_category_of_one_row_each_is_no_leak(
    splits: SplitFrames, catalogue: Catalogue, quick: TrainingSettings
) -> None:
    unique = (*catalogue, Feature("voucher", "categorical", "different for everybody"))
    frames = changed(splits, lambda frame: frame.with_columns(voucher=pl.col("customer_id")))

    assert train_candidates(frames, unique, quick.model_copy(update={"candidates": (BASELINE,)}))


def test_unknown_categories_gaps_and_infinities_are_scored(
    splits: SplitFrames, catalogue: Catalogue, quick: TrainingSettings
) -> None:
    odd = splits.test.with_columns(
        plan=pl.lit("platinum"),
        country=pl.lit(None, dtype=pl.String),
        recency_days=pl.lit(None, dtype=pl.Float64),
        events_90d=pl.lit(float("inf")),
        amount_90d=pl.lit(-1e30),
    )

    for candidate in train_candidates(splits, catalogue, quick):
        scores = candidate.score(odd)
        assert ((scores >= 0) & (scores <= 1)).all()
