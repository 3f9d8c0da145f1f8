"""What a training made: JSON, and a page that compares the candidates."""

from typing import Any, ClassVar

from churn.training.trained import TrainedModels
from materializers.json_model import JsonModelMaterializer
from materializers.pages import render

SHOWN = ("roc_auc", "pr_auc", "brier", "calibration_error", "lift_at_10", "capture_at_10", "profit_per_customer")


class TrainedModelsMaterializer(JsonModelMaterializer):
    """Stores TrainedModels; the bundles are artifacts of their own."""

    SKIP_REGISTRATION: ClassVar[bool] = False
    ASSOCIATED_TYPES: ClassVar[tuple[type[Any], ...]] = (TrainedModels,)

    def page(self, data: TrainedModels) -> str:
        """Draw the candidates beside the baselines, each figure with its interval."""
        baselines = [baseline for baseline in (data.report.recency, data.report.incumbent) if baseline]
        rows = [(model.candidate, data.report.models[model.candidate].metrics, False) for model in data.models]
        rows += [(baseline.name.replace("_", " "), baseline.metrics, True) for baseline in baselines]
        return render("trained_models.html.j2", title="Trained models", trained=data, shown=SHOWN, rows=rows)
