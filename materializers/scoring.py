"""A scoring and what was published with it: JSON, and pages."""

from typing import Any, ClassVar

from zenml.metadata.metadata_types import MetadataType

from churn.online.publish import PublishedCustomers
from churn.scoring.page import scores_page
from churn.scoring.report import ScoreReport
from materializers.json_model import JsonModelMaterializer
from materializers.pages import render


class ScoreReportMaterializer(JsonModelMaterializer):
    """Stores a ScoreReport; the scores stay in Delta."""

    SKIP_REGISTRATION: ClassVar[bool] = False
    ASSOCIATED_TYPES: ClassVar[tuple[type[Any], ...]] = (ScoreReport,)

    def page(self, data: ScoreReport) -> str:
        """Draw the distribution, what contacting brings, and the first of the list."""
        return scores_page(data)

    def extract_metadata(self, data: ScoreReport) -> dict[str, MetadataType]:
        """Return what was scored, by what, and what acting on it should bring."""
        return {
            "model_version": data.lineage.model_version,
            "scoring_date": str(data.lineage.scoring_date),
            "customers": data.customers,
            "contacts": data.contacts.customers,
            "expected_profit": data.expected_profit,
        }


class PublishedCustomersMaterializer(JsonModelMaterializer):
    """Stores a PublishedCustomers; the snapshot stays where servers find it."""

    SKIP_REGISTRATION: ClassVar[bool] = False
    ASSOCIATED_TYPES: ClassVar[tuple[type[Any], ...]] = (PublishedCustomers,)

    def page(self, data: PublishedCustomers) -> str:
        """Draw what servers answer from now."""
        return render("customers.html.j2", title="Customer snapshot", customers=data)

    def extract_metadata(self, data: PublishedCustomers) -> dict[str, MetadataType]:
        """Return which snapshot it is."""
        return {"customers": data.customers, "digest": data.digest, "version": data.version}
