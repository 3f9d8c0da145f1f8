"""The ingest report: JSON, and a page that says in a minute what a run did."""

from typing import Any, ClassVar

from zenml.metadata.metadata_types import MetadataType

from churn.ingestion.report import IngestReport
from materializers.json_model import JsonModelMaterializer
from materializers.report_page import report_page


class IngestReportMaterializer(JsonModelMaterializer):
    """Stores an IngestReport."""

    SKIP_REGISTRATION: ClassVar[bool] = False
    ASSOCIATED_TYPES: ClassVar[tuple[type[Any], ...]] = (IngestReport,)

    def page(self, data: IngestReport) -> str:
        """Draw totals, freshness, reasons, repairs, schema differences and objects."""
        return report_page(data)

    def extract_metadata(self, data: IngestReport) -> dict[str, MetadataType]:
        """Return the totals, so that runs can be compared in a list."""
        return {f"rows_{name}": value for name, value in data.counts.model_dump().items()}
