import json
import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from benchmarks import frames
from churn.bundle.bundle import Bundle, open_bundle
from churn.bundle.checked import FILES, MANIFEST
from churn.bundle.errors import BundleInvalid, BundleRefused, UnfitInput
from churn.bundle.manifest import Lineage, RunIds
from churn.bundle.parity import adversarial_rows, check_parity
from churn.bundle.write import write_bundle
from churn.evaluation.report import EvaluationReport
from churn.training.frames import SplitFrames
from churn.training.settings import BASELINE, TrainingSettings
from churn.training.train import TrainedCandidate

Trained = dict[str, TrainedCandidate]
Bundles = dict[str, Bundle]
NAMES = TrainingSettings().candidates


@pytest.fixture
def copied(bundles: Bundles, tmp_path: Path) -> Path:
    return Path(shutil.copytree(bundles[BASELINE].path, tmp_path / "copied"))


@pytest.mark.parametrize("name", NAMES)
def test_a_bundle_answers_like_the_pipeline_it_was_made_from(
    bundles: Bundles, trained: Trained, splits: SplitFrames, name: str
) -> None:
    bundle = bundles[name]
    hostile = adversarial_rows(splits.train, bundle.manifest.catalogue, seed=99)

    for rows in (splits.test, hostile):
        assert bundle.predict(rows) == pytest.approx(trained[name].score(rows), abs=1e-5)
    assert bundle.manifest.parity.largest_difference < 1e-5
    assert bundle.manifest.parity.rows > sum(frame.height for _, frame in splits.named)


@pytest.mark.parametrize("name", NAMES)
def test_a_row_scores_alone_as_it_does_in_a_batch(bundles: Bundles, splits: SplitFrames, name: str) -> None:
    rows = splits.test.head(200)

    alone = [bundles[name].predict(rows[i : i + 1])[0] for i in range(200)]

    assert alone == bundles[name].predict(rows).tolist()
    assert len(bundles[name].predict(rows.clear())) == 0


def test_run_ids_are_kept_and_do_not_change_the_digest(
    bundles: Bundles,
    trained: Trained,
    splits: SplitFrames,
    report: EvaluationReport,
    settings: TrainingSettings,
    lineage: Lineage,
    tmp_path: Path,
) -> None:
    ids = RunIds(created_at=datetime(2026, 1, 1, tzinfo=UTC), version="7", zenml_run="z", mlflow_run="m")

    again = write_bundle(tmp_path / "again", trained[BASELINE], splits, report, settings, lineage, ids)

    assert again.manifest.run == ids
    assert again.digest == bundles[BASELINE].digest
    for file in FILES:
        assert (again.path / file).read_bytes() == (bundles[BASELINE].path / file).read_bytes()


def test_writing_the_same_bundle_twice_is_no_error_and_another_one_is(
    bundles: Bundles,
    trained: Trained,
    splits: SplitFrames,
    report: EvaluationReport,
    settings: TrainingSettings,
    lineage: Lineage,
    copied: Path,
) -> None:
    def write(name: str) -> Bundle:
        return write_bundle(copied, trained[name], splits, report, settings, lineage)

    assert write(BASELINE).digest == bundles[BASELINE].digest
    with pytest.raises(BundleInvalid, match="exists and holds something else"):
        write("random_forest")
    assert open_bundle(copied).digest == bundles[BASELINE].digest


def test_models_of_other_data_have_other_digests(
    bundles: Bundles,
    trained: Trained,
    splits: SplitFrames,
    report: EvaluationReport,
    settings: TrainingSettings,
    lineage: Lineage,
    tmp_path: Path,
) -> None:
    other = lineage.model_copy(update={"git_commit": "f" * 40})

    bundle = write_bundle(tmp_path / "other", trained[BASELINE], splits, report, settings, other)

    assert len({bundle.digest, *(known.digest for known in bundles.values())}) == 4


@pytest.mark.parametrize("file", [*FILES, MANIFEST])
def test_a_missing_file_is_named(copied: Path, file: str) -> None:
    (copied / file).unlink()

    with pytest.raises(BundleInvalid, match=f"{file}: missing"):
        open_bundle(copied)


@pytest.mark.parametrize("file", FILES)
def test_an_altered_file_is_named(copied: Path, file: str) -> None:
    content = (copied / file).read_bytes()
    (copied / file).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))

    with pytest.raises(BundleInvalid, match=f"{file}: altered"):
        open_bundle(copied)


def test_an_altered_threshold_is_noticed(copied: Path) -> None:
    manifest = json.loads((copied / MANIFEST).read_text())
    manifest["threshold"] += 0.01
    (copied / MANIFEST).write_text(json.dumps(manifest))

    with pytest.raises(BundleInvalid, match=r"manifest\.json: altered"):
        open_bundle(copied)


def test_a_manifest_of_another_format_is_refused(copied: Path) -> None:
    manifest = json.loads((copied / MANIFEST).read_text())
    (copied / MANIFEST).write_text(json.dumps({**manifest, "format": 2}))

    with pytest.raises(BundleInvalid, match=r"manifest\.json: format: must be 1"):
        open_bundle(copied)


def test_a_whole_bundle_put_in_place_of_another_is_noticed(bundles: Bundles) -> None:
    with pytest.raises(BundleInvalid, match="another model"):
        open_bundle(bundles["random_forest"].path, expected=bundles[BASELINE].digest)


def test_a_model_that_differs_is_refused_and_nothing_is_written(
    trained: Trained,
    splits: SplitFrames,
    report: EvaluationReport,
    settings: TrainingSettings,
    lineage: Lineage,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    candidate = trained[BASELINE]
    monkeypatch.setattr(TrainedCandidate, "score", lambda self, frame: np.full(frame.height, 0.5))

    with pytest.raises(BundleRefused, match=r"train: ONNX differs from the fitted pipeline by up to 0\.\d+"):
        write_bundle(tmp_path / "refused", candidate, splits, report, settings, lineage)

    assert list(tmp_path.iterdir()) == []


def test_a_flipped_decision_is_refused_even_within_the_tolerance(splits: SplitFrames) -> None:
    rows = splits.test.head(3)

    with pytest.raises(BundleRefused, match="test: ONNX decides otherwise for 3 of 3 rows"):
        check_parity(
            lambda frame: np.full(frame.height, 0.5),
            lambda frame: np.full(frame.height, 0.5 - 8e-6),
            [("test", rows)],
            threshold=0.5 - 4e-6,
            tolerance=1e-5,
        )


def test_a_score_that_is_no_number_is_refused(splits: SplitFrames) -> None:
    with pytest.raises(BundleRefused, match="by up to"):
        check_parity(
            lambda frame: np.full(frame.height, 0.5),
            lambda frame: np.full(frame.height, np.nan),
            [("test", splits.test)],
            threshold=0.5,
            tolerance=1e-5,
        )


def test_a_threshold_between_two_scores_survives_the_last_bits(trained: Trained, splits: SplitFrames) -> None:
    for candidate in trained.values():
        distance = np.abs(candidate.score(splits.calibration) - candidate.threshold)
        assert distance.min() > 1e-7


def test_a_missing_input_is_named(bundles: Bundles, splits: SplitFrames) -> None:
    with pytest.raises(UnfitInput, match="columns plan are missing"):
        bundles[BASELINE].predict(splits.test.drop("plan"))


def test_an_input_of_another_type_is_named(bundles: Bundles, splits: SplitFrames) -> None:
    with pytest.raises(UnfitInput, match="recency_days is String, but the model takes numeric"):
        bundles[BASELINE].predict(splits.test.with_columns(pl.col("recency_days").cast(pl.String)))


def test_the_reference_holds_the_training_distribution_and_nobody(bundles: Bundles, splits: SplitFrames) -> None:
    bundle = bundles[BASELINE]

    reference = pl.read_parquet(bundle.path / "reference.parquet")

    assert reference.columns == [*(f.name for f in bundle.manifest.catalogue), "churned", "churn_probability"]
    assert reference.height == 400
    assert reference["recency_days"].mean() == pytest.approx(splits.train["recency_days"].mean(), rel=0.15)
    assert reference["churn_probability"].to_numpy() == pytest.approx(bundle.predict(reference), abs=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_a_sample_is_kept_as_the_classifier_sees_it(bundles: Bundles, trained: Trained, name: str) -> None:
    path, classifier = bundles[name].path, trained[name].pipeline[-1]

    sample = pl.read_parquet(path / "transformed.parquet")

    reference = pl.read_parquet(path / "reference.parquet")
    of_reference = reference[sample["reference_row"]]
    matrix = sample.drop("reference_row")
    assert (sample.height, matrix.width) == (250, classifier.n_features_in_)
    assert classifier.predict_proba(matrix.to_numpy())[:, 1] == pytest.approx(
        of_reference["churn_probability"].to_numpy(), abs=1e-5
    )
    assert set(matrix.columns) >= {"recency_days", "plan=gold"}
    assert ("gap_mean_days=missing" in matrix.columns) == (name != "hist_gradient_boosting")
    assert "customer_id" not in sample.columns
    assert len(set(matrix["recency_days"])) > 30


def test_the_most_important_features_are_those_that_matter(bundles: Bundles) -> None:
    ranked = [part.feature for part in bundles[BASELINE].manifest.importance]

    assert set(ranked[:2]) <= {"recency_days", "events_90d", "tenure_days", "events_30d"}
    assert set(ranked) == {feature.name for feature in frames.catalogue()}


def test_the_card_stands_alone_and_says_what_matters(bundles: Bundles, lineage: Lineage) -> None:
    card = (bundles["random_forest"].path / "card.html").read_text()

    for fact in ("Random forest", lineage.git_commit, "not committed", "ROC-AUC", "Recency only", "Tenure days"):
        assert fact in card
    assert "<script" not in card
    assert "http://" not in card
    assert "https://" not in card
    assert "nan" not in card.lower().replace("tenancy", "")


def test_a_hostile_category_is_only_text_on_the_card(
    trained: Trained,
    splits: SplitFrames,
    report: EvaluationReport,
    settings: TrainingSettings,
    lineage: Lineage,
    tmp_path: Path,
) -> None:
    evil = "<img src=x onerror=alert(1)>"
    segments = tuple(part.model_copy(update={"value": evil}) for part in report.models[BASELINE].segments)
    models = {**report.models, BASELINE: report.models[BASELINE].model_copy(update={"segments": segments})}
    train = splits.train.with_columns(plan=pl.lit(evil))

    bundle = write_bundle(
        tmp_path / "evil",
        trained[BASELINE],
        replace(splits, train=train),
        report.model_copy(update={"models": models}),
        settings,
        lineage,
    )

    card = (bundle.path / "card.html").read_text()
    assert evil not in card
    assert "&lt;img" in card


def test_serving_needs_no_scikit_learn(bundles: Bundles, project_root: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from churn.bundle.bundle import open_bundle\n"
        f"open_bundle(Path({str(bundles['random_forest'].path)!r}))\n"
        "print(sorted({'sklearn', 'skl2onnx', 'onnx', 'pandas', 'scipy', 'jinja2'} & set(sys.modules)))"
    )

    result = subprocess.run(
        [sys.executable, "-c", program], cwd=project_root, capture_output=True, text=True, check=True
    )

    assert result.stdout.strip() == "[]"
