"""The versions a training added: JSON, and a short table."""

from typing import Any, ClassVar

from churn.training.trained import RegisteredModels
from materializers.json_model import JsonModelMaterializer
from materializers.pages import render


class RegisteredModelsMaterializer(JsonModelMaterializer):
    """Stores RegisteredModels."""

    SKIP_REGISTRATION: ClassVar[bool] = False
    ASSOCIATED_TYPES: ClassVar[tuple[type[Any], ...]] = (RegisteredModels,)

    def page(self, data: RegisteredModels) -> str:
        """Draw one line per version."""
        return render("registered_models.html.j2", title="Registered models", models=data.models)
