"""What a promotion asks for: JSON, and the question as a page."""

from typing import Any, ClassVar

from churn.promotion.request import PromotionRequest
from materializers.json_model import JsonModelMaterializer
from materializers.pages import render


class RequestMaterializer(JsonModelMaterializer):
    """Stores a PromotionRequest."""

    SKIP_REGISTRATION: ClassVar[bool] = False
    ASSOCIATED_TYPES: ClassVar[tuple[type[Any], ...]] = (PromotionRequest,)

    def page(self, data: PromotionRequest) -> str:
        """Draw the question and what it rests on."""
        return render("request.html.j2", title="Promotion request", request=data)
