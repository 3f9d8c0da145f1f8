"""The model bundle: its files as they are, and the model card as its page."""

import os
import weakref
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

from zenml.enums import ArtifactType, VisualizationType
from zenml.materializers.base_materializer import BaseMaterializer
from zenml.metadata.metadata_types import MetadataType

from churn.bundle.bundle import Bundle, open_bundle
from churn.bundle.checked import CARD, FILES, MANIFEST
from churn.bundle.errors import BundleInvalid
from churn.training.trained import figures


class BundleMaterializer(BaseMaterializer):
    """Stores a Bundle byte for byte; what comes back is checked against its digest."""

    ASSOCIATED_TYPES: ClassVar[tuple[type[Any], ...]] = (Bundle,)
    ASSOCIATED_ARTIFACT_TYPE: ClassVar[ArtifactType] = ArtifactType.MODEL

    def load(self, data_type: type[Bundle]) -> Bundle:
        """Copy the files into a folder that lives as long as the bundle, and open them.

        Raises:
            BundleInvalid: a file is missing or was altered; names it where it is stored.
        """
        folder = TemporaryDirectory(prefix="bundle-")
        try:
            for name in (*FILES, MANIFEST):
                with self.artifact_store.open(os.path.join(self.uri, name), "rb") as file:
                    (Path(folder.name) / name).write_bytes(file.read())
            bundle = open_bundle(Path(folder.name))
        except FileNotFoundError:
            folder.cleanup()
            raise BundleInvalid(f"{self.uri}/{name}: missing; restore the bundle from a copy, or train again") from None
        except BundleInvalid as error:
            folder.cleanup()
            raise BundleInvalid(str(error).replace(folder.name, self.uri)) from None
        weakref.finalize(bundle, folder.cleanup)
        return bundle

    def save(self, data: Bundle) -> None:
        """Copy the files; the manifest comes last, so that no bundle without it is taken for whole."""
        for name in (*FILES, MANIFEST):
            with self.artifact_store.open(os.path.join(self.uri, name), "wb") as file:
                file.write((data.path / name).read_bytes())

    def save_visualizations(self, data: Bundle) -> dict[str, VisualizationType]:
        """Show the model card."""
        return {os.path.join(self.uri, CARD).replace("\\", "/"): VisualizationType.HTML}

    def extract_metadata(self, data: Bundle) -> dict[str, MetadataType]:
        """Return the digest and the figures on the test cutoff."""
        manifest = data.manifest
        return {"candidate": manifest.candidate, "digest": manifest.digest, **figures(manifest)}
