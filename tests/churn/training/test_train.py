import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from churn.evaluation.metrics import roc_auc
from churn.features.catalogue import Feature
from churn.training.errors import UnfitData, UnknownCandidate
from churn.training.frames import SplitFrames, labels_of
from churn.training.settings import BASELINE, TrainingSettings
from churn.training.train import TrainedCandidate, best_candidate, train_candidates, train_recency_only

Catalogue = tuple[Feature, ...]
Trained = dict[str, TrainedCandidate]
NAMES = TrainingSettings().candidates

_PREDICTIONS = """
import hashlib
from benchmarks.frames import catalogue, split_frames
from churn.bundle.convert import to_onnx
from churn.training.settings import TrainingSettings
from churn.training.train import train_candidates
splits = split_frames(600, 300)
for candidate in train_candidates(splits, catalogue(), TrainingSettings.model_validate_json({settings!r})):
    scores = candidate.score(splits.test).tobytes()
    model = to_onnx(candidate.pipeline, catalogue())
    print(candidate.name, candidate.threshold, *(hashlib.sha256(part).hexdigest() for part in (model, scores)))
"""


@pytest.mark.parametrize("name", NAMES)
def test_every_candidate_ranks_customers_it_has_not_seen(trained: Trained, splits: SplitFrames, name: str) -> None:
    candidate = trained[name]

    assert roc_auc(labels_of(splits.test), candidate.score(splits.test)) > 0.8
    assert candidate.calibration_auc > 0.8
    assert 0 < candidate.threshold < 1


@pytest.mark.parametrize("name", NAMES)
def test_scores_mean_what_they_say(trained: Trained, splits: SplitFrames, name: str) -> None:
    scores, churned = trained[name].score(splits.test), labels_of(splits.test)

    assert scores.mean() == pytest.approx(churned.mean(), abs=0.04)
    upper = scores > np.median(scores)
    assert scores[upper].mean() == pytest.approx(churned[upper].mean(), abs=0.06)


def test_two_processes_train_the_same_bits(quick: TrainingSettings, project_root: Path) -> None:
    program = _PREDICTIONS.format(settings=quick.model_dump_json())

    def run(seed: str) -> str:
        # Another hash seed orders sets of strings differently: nothing may depend on it.
        environment = {"PYTHONHASHSEED": seed, "PYTHONPATH": str(project_root)}
        command = [sys.executable, "-c", program]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout

    first = run("1")

    assert [line.split()[0] for line in first.splitlines()] == list(NAMES)
    assert run("2") == first


def test_the_test_cutoff_teaches_nothing(
    trained: Trained, splits: SplitFrames, catalogue: Catalogue, quick: TrainingSettings
) -> None:
    flipped = splits.test.with_columns(~pl.col("churned"), recency_days=pl.lit(0.0))

    again = train_candidates(replace(splits, test=flipped), catalogue, quick)

    for candidate in again:
        before = trained[candidate.name]
        assert candidate.threshold == before.threshold
        assert np.array_equal(candidate.score(splits.test), before.score(splits.test))


def test_shuffled_labels_leave_nothing_to_learn(
    splits: SplitFrames, catalogue: Catalogue, quick: TrainingSettings
) -> None:
    shuffled = SplitFrames(*(frame.with_columns(pl.col("churned").shuffle(seed=3)) for _, frame in splits.named))

    for candidate in train_candidates(shuffled, catalogue, quick):
        assert roc_auc(labels_of(shuffled.test), candidate.score(shuffled.test)) == pytest.approx(0.5, abs=0.07)


def test_calibration_may_share_the_selection_cutoff(
    splits: SplitFrames, catalogue: Catalogue, quick: TrainingSettings
) -> None:
    shared = replace(splits, calibration=splits.selection)

    (candidate,) = train_candidates(shared, catalogue, quick.model_copy(update={"candidates": (BASELINE,)}))

    assert candidate.calibration_auc == pytest.approx(candidate.selection_auc)


def test_the_recency_baseline_ranks_by_recency_alone(
    splits: SplitFrames, catalogue: Catalogue, quick: TrainingSettings
) -> None:
    baseline = train_recency_only(splits, catalogue, quick)

    scores, churned = baseline.score(splits.test), labels_of(splits.test)
    recency = splits.test["recency_days"].to_numpy()
    assert roc_auc(churned, scores) == pytest.approx(roc_auc(churned, recency), abs=1e-3)


def test_a_recency_column_that_is_no_feature_is_named(
    splits: SplitFrames, catalogue: Catalogue, quick: TrainingSettings
) -> None:
    evaluation = quick.evaluation.model_copy(update={"recency_column": "last_seen"})

    with pytest.raises(UnfitData, match="last_seen: no such feature"):
        train_recency_only(splits, catalogue, quick.model_copy(update={"evaluation": evaluation}))


def test_the_simpler_candidate_wins_a_tie(trained: Trained) -> None:
    simple, other = (
        replace(trained[BASELINE], calibration_auc=0.800),
        replace(trained["random_forest"], calibration_auc=0.801),
    )

    assert best_candidate([simple, other], tie=0.002) is simple
    assert best_candidate([simple, other], tie=0.0005) is other


def test_an_unknown_candidate_is_named_with_those_that_exist(
    splits: SplitFrames, catalogue: Catalogue, quick: TrainingSettings
) -> None:
    settings = quick.model_copy(update={"candidates": ("oracle",)})

    with pytest.raises(UnknownCandidate, match="there is no oracle; built in are hist_gradient_boosting, logistic"):
        train_candidates(splits, catalogue, settings)


def test_a_candidate_of_another_package_takes_part(
    splits: SplitFrames,
    catalogue: Catalogue,
    quick: TrainingSettings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "ours").mkdir()
    (tmp_path / "ours" / "stump.py").write_text(
        "from sklearn.tree import DecisionTreeClassifier\n"
        "from churn.training.candidates import Found\n"
        "from churn.training.prepare import prepare\n"
        "def fit(problem, settings):\n"
        "    preparation = prepare(problem.catalogue, fill=True, scale=False)\n"
        "    train = preparation.fit_transform(problem.train)\n"
        "    model = DecisionTreeClassifier(max_depth=3).fit(train, problem.churned)\n"
        "    return Found((('prepare', preparation), ('model', model)), {'depth': 3}, 0.5)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)

    (stump,) = train_candidates(splits, catalogue, quick.model_copy(update={"candidates": ("ours.stump",)}))

    assert stump.name == "ours.stump"
    assert stump.calibration_auc > 0.7
