import warnings
from pathlib import Path

import pytest
from zenml.client import Client

from benchmarks import frames
from churn.bundle.bundle import Bundle
from churn.bundle.errors import BundleInvalid
from churn.bundle.write import write_bundle
from churn.evaluation.settings import EvaluationSettings
from churn.training.judge import judge
from churn.training.settings import LogisticRegressionSettings, TrainingSettings
from churn.training.train import train_candidates
from materializers.bundle import BundleMaterializer


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    settings = TrainingSettings(
        candidates=("logistic_regression",),
        logistic_regression=LogisticRegressionSettings(inverse_regularisation=(0.1,), kept_features=(1.0,)),
        evaluation=EvaluationSettings(bootstrap_rounds=20, importance_rows=100, importance_rounds=1),
    )
    splits = frames.split_frames(train_rows=1500, later_rows=700)
    candidates = train_candidates(splits, frames.catalogue(), settings)
    report = judge(candidates, splits, frames.catalogue(), settings)
    path = tmp_path_factory.mktemp("bundle") / "model"
    return write_bundle(path, candidates[0], splits, report, settings, frames.lineage(splits))


@pytest.fixture
def stored(bundle: Bundle, tmp_path: Path) -> BundleMaterializer:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what ZenML imports for its store announces removals in Python 3.13
        folder = Path(Client().active_stack.artifact_store.path) / tmp_path.name
    folder.mkdir(parents=True)
    materializer = BundleMaterializer(uri=str(folder))
    materializer.save(bundle)
    return materializer


def test_a_bundle_comes_back_with_its_digest(bundle: Bundle, stored: BundleMaterializer) -> None:
    assert stored.load(Bundle).digest == bundle.digest


def test_an_altered_file_is_named_where_it_is_stored(
    stored: BundleMaterializer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with Path(stored.uri, "model.onnx").open("ab") as file:
        file.write(b"x")

    with pytest.raises(BundleInvalid) as refused:
        stored.load(Bundle)

    assert str(refused.value).startswith(f"{stored.uri}/model.onnx: altered")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_gone_is_named_with_a_way_out(stored: BundleMaterializer) -> None:
    Path(stored.uri, "reference.parquet").unlink()

    with pytest.raises(BundleInvalid, match=r"reference.parquet: missing from the artifact store .*train again"):
        stored.load(Bundle)
