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
        report = data.report
        rows = [(model.candidate, report.models[model.candidate].metrics, "") for model in data.models]
        rows.append((report.recency.name, report.recency.metrics, "baseline"))
        if report.incumbent:
            rows.append((report.incumbent.name, report.incumbent.metrics, "in production"))
        return render("trained_models.html.j2", title="Trained models", trained=data, shown=SHOWN, rows=rows)
