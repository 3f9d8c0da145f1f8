"""The feature set: JSON, and a table of its cutoffs."""

from typing import Any, ClassVar

from zenml.metadata.metadata_types import MetadataType

from churn.features.feature_set import FeatureSet
from materializers.json_model import JsonModelMaterializer
from materializers.pages import render


class FeatureSetMaterializer(JsonModelMaterializer):
    """Stores a FeatureSet; the rows stay in Delta."""

    SKIP_REGISTRATION: ClassVar[bool] = False
    ASSOCIATED_TYPES: ClassVar[tuple[type[Any], ...]] = (FeatureSet,)

    def page(self, data: FeatureSet) -> str:
        """Draw one line per cutoff with what it is used for."""
        cutoffs = data.cutoffs
        uses = {
            **dict.fromkeys(cutoffs.train, "train"),
            cutoffs.selection: "selection",
            cutoffs.calibration: "selection and calibration" if cutoffs.shared_validation else "calibration",
            cutoffs.test: "test",
        }
        uses.setdefault(cutoffs.latest, "scoring; no label yet")
        return render("feature_set.html.j2", title="Feature set", features=data, uses=uses)

    def extract_metadata(self, data: FeatureSet) -> dict[str, MetadataType]:
        """Return the version of the feature table and the digest of its rows."""
        return {"version": data.features.version, "digest": data.digest}
