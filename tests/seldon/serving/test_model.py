from pathlib import Path

import numpy as np
import pytest

from benchmarks import frames
from churn.bundle.bundle import Bundle, inputs_of
from churn.bundle.checked import MODEL, open_session
from churn.bundle.parity import adversarial_rows
from churn.bundle.write import write_bundle
from churn.evaluation.settings import EvaluationSettings
from churn.features.catalogue import load_catalogue
from churn.scoring.score import BATCH
from churn.training.judge import judge
from churn.training.settings import CandidateName, HistGradientBoostingSettings, RandomForestSettings, TrainingSettings
from churn.training.train import train_candidates
from seldon.serving.fused import columns_of, fuse
from seldon.serving.model import open_model


@pytest.fixture(scope="module")
def trees(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return bundle_of("hist_gradient_boosting", tmp_path_factory.mktemp("trees") / "bundle")


@pytest.fixture(scope="module")
def forest(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return bundle_of("random_forest", tmp_path_factory.mktemp("forest") / "bundle")


def bundle_of(name: CandidateName, path: Path) -> Bundle:
    settings = TrainingSettings(
        candidates=(name,),
        hist_gradient_boosting=HistGradientBoostingSettings(trials=1, iterations=30),
        random_forest=RandomForestSettings(leaf_shares=(0.008,), column_shares=(0.25,)),
        evaluation=EvaluationSettings(bootstrap_rounds=20, importance_rows=100, importance_rounds=1),
        reference_rows=100,
        transformed_rows=50,
    )
    splits, catalogue = frames.split_frames(900, 500), frames.catalogue()
    trained = list(train_candidates(splits, catalogue, settings))
    report = judge(trained, splits, catalogue, settings)
    [chosen] = [candidate for candidate in trained if candidate.name == name]
    return write_bundle(path, chosen, splits, report, settings, frames.lineage(splits))


@pytest.mark.parametrize("name", ["bundle", "trees", "forest"])
def test_a_model_without_its_joins_scores_as_before(name: str, request: pytest.FixtureRequest) -> None:
    bundle: Bundle = request.getfixturevalue(name)
    train = frames.split_frames(900, 500).train.rename({"noise_0": "active_day_rate"} if name == "bundle" else {})
    rows = adversarial_rows(train, bundle.manifest.catalogue, seed=5)
    columns = inputs_of(rows, bundle.manifest.catalogue)

    model = open_model(bundle.path, bundle.digest)
    numbers = np.column_stack([columns[column] for column in model.numbers]).astype(np.float32)
    texts = np.column_stack([columns[column] for column in model.texts])

    assert model.score(numbers, texts).tolist() == bundle.predict(rows).tolist()


@pytest.mark.parametrize("name", ["bundle", "trees", "forest"])
def test_what_a_row_scores_does_not_depend_on_the_others(name: str, request: pytest.FixtureRequest) -> None:
    bundle: Bundle = request.getfixturevalue(name)
    model = open_model(bundle.path, bundle.digest)
    random, size = np.random.default_rng(3), BATCH
    numbers = random.normal(20, 30, (size, len(model.numbers))).astype(np.float32)
    texts = random.choice(np.array(["gold", "DE", "FR", model.missing], dtype=object), (size, len(model.texts)))

    columns = {**dict(zip(model.numbers, numbers.T, strict=True)), **dict(zip(model.texts, texts.T, strict=True))}

    def score(rows: list[int]) -> list[float]:
        given = model.matrices(len(rows), [numbers[row].tobytes() for row in rows], [texts[row] for row in rows])
        scores: list[float] = model.score(*given).tolist()
        return scores

    def score_by_pipeline(rows: list[int]) -> list[float]:
        scores: list[float] = bundle.score({column: values[rows] for column, values in columns.items()}).tolist()
        return scores

    alone = [score([row])[0] for row in range(size)]
    for together in (2, 3, 4, 5, 7, 8, 9, 16, 17, 33, 64, 101, size - 1, size):
        parts = [score([*range(at, min(at + together, size))]) for at in range(0, size, together)]
        assert [one for part in parts for one in part] == alone
    assert score([*range(size)][::-1]) == alone[::-1]
    for together in (3, size - 1, size):
        parts = [score_by_pipeline([*range(at, min(at + together, size))]) for at in range(0, size, together)]
        assert [one for part in parts for one in part] == alone


def test_the_joins_are_gone_and_every_column_is_still_there(bundle: Bundle) -> None:
    fused = fuse((bundle.path / MODEL).read_bytes())

    session = open_session(fused.model)

    assert [entry.name for entry in session.get_inputs()] == [block.name for block in fused.blocks]
    assert [entry.shape[1] for entry in session.get_inputs()] == [len(block.columns) for block in fused.blocks]
    assert len(fused.blocks) == 2
    assert sorted(columns_of(fused.blocks)) == sorted(feature.name for feature in bundle.manifest.catalogue)


def test_a_model_without_joins_comes_back_as_it_is(bundle: Bundle) -> None:
    once = fuse((bundle.path / MODEL).read_bytes())

    twice = fuse(once.model)

    assert twice.model == once.model
    assert [block.columns for block in twice.blocks] == [(block.name,) for block in once.blocks]


def test_what_is_never_null_in_dbt_is_required_of_a_request(project_root: Path, bundle: Bundle) -> None:
    required = {feature.name for feature in load_catalogue(project_root / "dbt") if feature.required}

    assert required == {"recency_days", "tenure_days", "active_day_rate"}
    assert [entry.name for entry in bundle.manifest.inputs if entry.required] == ["recency_days", "tenure_days"]
