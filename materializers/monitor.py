"""A run of the monitoring as artifacts: what was measured, what Evidently said, and the verdict with its page."""

from typing import Any, ClassVar

from zenml.metadata.metadata_types import MetadataType

from churn.monitoring.examination import Examination
from churn.monitoring.measurement import Measurement
from churn.monitoring.page import monitor_page
from churn.monitoring.watched import Watched
from materializers.json_model import JsonModelMaterializer
from materializers.pages import render


class MeasurementMaterializer(JsonModelMaterializer):
    """Stores a Measurement."""

    SKIP_REGISTRATION: ClassVar[bool] = False
    ASSOCIATED_TYPES: ClassVar[tuple[type[Any], ...]] = (Measurement,)

    def page(self, data: Measurement) -> str:
        """Draw the windows; the verdict has a page of its own."""
        return render("measurement.html.j2", title=f"Version {data.version}, measured", measured=data)

    def extract_metadata(self, data: Measurement) -> dict[str, MetadataType]:
        """Return what was measured."""
        return {"version": data.version, "bundle_digest": data.bundle_digest, "complete_windows": len(data.windows)}


class ExaminationMaterializer(JsonModelMaterializer):
    """Stores an Examination."""

    SKIP_REGISTRATION: ClassVar[bool] = False
    ASSOCIATED_TYPES: ClassVar[tuple[type[Any], ...]] = (Examination,)

    def page(self, data: Examination) -> str:
        """List the tests; Evidently's own pages are artifacts beside it."""
        return render("examination.html.j2", title="Examination by Evidently", examined=data)


class WatchedMaterializer(JsonModelMaterializer):
    """Stores a Watched."""

    SKIP_REGISTRATION: ClassVar[bool] = False
    ASSOCIATED_TYPES: ClassVar[tuple[type[Any], ...]] = (Watched,)

    def page(self, data: Watched) -> str:
        """Draw the verdict and everything behind it."""
        return monitor_page(data)

    def extract_metadata(self, data: Watched) -> dict[str, MetadataType]:
        """Return the decision, its reason and what was done."""
        verdict = data.verdict
        return {
            "decision": verdict.decision,
            "reason": verdict.reason,
            "blamed": list(verdict.blamed),
            "deed": data.deed.says,
            "evidence_digest": verdict.evidence_digest,
        }
