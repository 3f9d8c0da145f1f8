"""A judgement of the gate: JSON, and the evidence page that a person decides by."""

from typing import Any, ClassVar

from zenml.metadata.metadata_types import MetadataType

from churn.promotion.judgement import Judgement
from churn.promotion.page import evidence_page
from materializers.json_model import JsonModelMaterializer


class JudgementMaterializer(JsonModelMaterializer):
    """Stores a Judgement."""

    SKIP_REGISTRATION: ClassVar[bool] = False
    ASSOCIATED_TYPES: ClassVar[tuple[type[Any], ...]] = (Judgement,)

    def page(self, data: Judgement) -> str:
        """Draw the evidence page."""
        return evidence_page(data.evidence, data.verdict)

    def extract_metadata(self, data: Judgement) -> dict[str, MetadataType]:
        """Return the decision, its reason, the checks that failed, and which evidence it was."""
        verdict = data.verdict
        return {
            "decision": verdict.decision,
            "reason": verdict.reason,
            "failed": [check.name for check in verdict.checks if not check.passed],
            "evidence_digest": verdict.evidence_digest,
        }
