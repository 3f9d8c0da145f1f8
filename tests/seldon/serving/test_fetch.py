from collections.abc import Iterator

import fsspec
import pytest

from churn.bundle.bundle import Bundle
from churn.bundle.checked import FILES, MANIFEST
from churn.bundle.errors import BundleInvalid
from seldon.serving.fetch import BundleUnreachable, bundle_folder
from seldon.serving.model import open_model


@pytest.fixture
def stored(bundle: Bundle) -> Iterator[str]:
    """The bundle in a store."""
    store = fsspec.filesystem("memory")
    for name in (*FILES, MANIFEST):
        store.pipe_file(f"/bundles/7/{name}", (bundle.path / name).read_bytes())
    yield "memory://bundles/7"
    store.rm("/bundles", recursive=True)


def test_a_bundle_in_a_store_is_served_like_one_in_a_folder_and_leaves_nothing(bundle: Bundle, stored: str) -> None:
    with bundle_folder(stored) as folder:
        assert open_model(folder, bundle.digest).digest == bundle.digest
    assert not folder.exists()

    with bundle_folder(str(bundle.path)) as folder:
        assert folder == bundle.path
    assert folder.exists()


def test_what_the_store_gives_is_checked(bundle: Bundle, stored: str) -> None:
    fsspec.filesystem("memory").pipe_file("/bundles/7/model.onnx", b"another")

    with bundle_folder(stored) as folder, pytest.raises(BundleInvalid, match=r"model\.onnx: altered"):
        open_model(folder, bundle.digest)


def test_a_file_that_is_missing_and_a_store_that_is_away_are_told_apart(stored: str) -> None:
    fsspec.filesystem("memory").rm("/bundles/7/manifest.json")

    with pytest.raises(BundleInvalid, match=r"memory://bundles/7/manifest\.json: missing"), bundle_folder(stored):
        pass
    with pytest.raises(BundleUnreachable, match="check the store's address"), bundle_folder("nowhere://bundle"):
        pass
