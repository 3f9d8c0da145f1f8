import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from zenml.client import Client
from zenml.enums import VisualizationType

from churn.bundle.bundle import Bundle
from churn.bundle.checked import FILES, MANIFEST
from churn.bundle.errors import BundleInvalid
from churn.features.feature_set import FeatureSet
from churn.training.trained import RegisteredModels, TrainedModels
from materializers.bundle import BundleMaterializer
from materializers.feature_set import FeatureSetMaterializer
from materializers.json_model import JsonModelMaterializer
from materializers.registered_models import RegisteredModelsMaterializer
from materializers.trained_models import TrainedModelsMaterializer
from tests.trained import Trained, inside, output

pytestmark = pytest.mark.timeout(900)  # the one training counts to whichever test comes first


@pytest.fixture(autouse=True)
def here(trained: Trained) -> Iterator[None]:
    with inside(trained.root):
        yield


@pytest.fixture
def place(tmp_path: Path) -> Iterator[str]:
    """A folder in the artifact store."""
    folder = Path(Client().active_stack.artifact_store.path) / tmp_path.name
    folder.mkdir()
    yield str(folder)
    shutil.rmtree(folder)


@pytest.fixture
def bundle(trained: Trained) -> Bundle:
    loaded = Client().get_artifact_version(trained.models.models[1].artifact).load()
    assert isinstance(loaded, Bundle)
    return loaded


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_a_bundle_comes_back_byte_for_byte(bundle: Bundle, place: str) -> None:
    BundleMaterializer(uri=place).save(bundle)

    loaded = BundleMaterializer(uri=place).load(Bundle)

    assert contents(Path(place)) == contents(loaded.path) == contents(bundle.path)
    assert set(contents(loaded.path)) == {*FILES, MANIFEST}
    assert (loaded.digest, loaded.manifest) == (bundle.digest, bundle.manifest)


def test_a_bundle_shows_its_card_and_tells_its_figures(bundle: Bundle, place: str) -> None:
    materializer = BundleMaterializer(uri=place)
    materializer.save(bundle)

    [(page, kind)] = materializer.save_visualizations(bundle).items()
    facts = materializer.extract_metadata(bundle)

    assert kind == VisualizationType.HTML
    assert "</html>" in Path(page).read_text()
    assert (facts["candidate"], facts["digest"]) == ("random_forest", bundle.digest)
    assert facts["roc_auc"] == bundle.manifest.metrics["roc_auc"].value


@pytest.mark.parametrize("name", [*FILES, MANIFEST])
def test_an_altered_file_is_refused_by_name(bundle: Bundle, place: str, name: str) -> None:
    BundleMaterializer(uri=place).save(bundle)
    file = Path(place) / name
    content = file.read_bytes()
    file.write_bytes(content.replace(b'"threshold": 0', b'"threshold": 1') if name == MANIFEST else content + b" ")

    with pytest.raises(BundleInvalid, match=rf"^{place}/{name}: altered since the bundle was written"):
        BundleMaterializer(uri=place).load(Bundle)


@pytest.mark.parametrize("name", [*FILES, MANIFEST])
def test_a_file_that_is_gone_is_named(bundle: Bundle, place: str, name: str) -> None:
    BundleMaterializer(uri=place).save(bundle)
    (Path(place) / name).unlink()

    with pytest.raises(BundleInvalid, match=rf"^{place}/{name}: missing"):
        BundleMaterializer(uri=place).load(Bundle)


def test_a_refused_bundle_leaves_no_folder_behind(
    bundle: Bundle, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    BundleMaterializer(uri=place).save(bundle)
    (Path(place) / MANIFEST).write_text("{")

    with pytest.raises(BundleInvalid) as refused:
        BundleMaterializer(uri=place).load(Bundle)

    assert refused.tb is not None, "as long as somebody holds the error"
    assert list(tmp_path.glob("bundle-*")) == []


@pytest.mark.parametrize(
    ("materializer", "kind", "step", "name", "shown"),
    [
        (FeatureSetMaterializer, FeatureSet, "build_features", "feature_set", "scoring; no label yet"),
        (TrainedModelsMaterializer, TrainedModels, "train", "trained_models", "recency only"),
        (RegisteredModelsMaterializer, RegisteredModels, "register", "registered_models", "hist gradient boosting"),
    ],
)
def test_what_steps_hand_on_comes_back_with_a_page(
    trained: Trained,
    place: str,
    materializer: type[JsonModelMaterializer],
    kind: type[FeatureSet],
    step: str,
    name: str,
    shown: str,
) -> None:
    data = output(trained.run, step, name)
    assert isinstance(data, kind)
    materializer(uri=place).save(data)
    first = contents(Path(place))

    loaded = materializer(uri=place).load(kind)
    materializer(uri=place).save(loaded)
    [page] = materializer(uri=place).save_visualizations(loaded)

    assert loaded == data
    assert {file: contents(Path(place))[file] for file in first} == first
    assert shown in Path(page).read_text()


def test_a_feature_set_tells_version_and_digest(trained: Trained, place: str) -> None:
    data = output(trained.run, "build_features", "feature_set")
    assert isinstance(data, FeatureSet)

    assert FeatureSetMaterializer(uri=place).extract_metadata(data) == {
        "version": data.features.version,
        "digest": data.digest,
    }
