"""The demo's models: trained once for the same data and settings, and compared."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from cli.options import utc_now
from cli.tables import print_table
from cli.zen import run_here

if TYPE_CHECKING:
    from pathlib import Path

    from zenml.models import PipelineRunResponse

    from churn.evaluation.bootstrap import Estimate
    from churn.evaluation.metrics import Metric
    from churn.features.feature_set import FeatureSet
    from churn.settings import Settings
    from churn.training.trained import RegisteredModels, TrainedModels

SHOWN: "dict[Metric, str]" = {
    "roc_auc": "ROC-AUC",
    "brier": "Brier",
    "lift_at_10": "lift at 10 %",
    "profit_per_customer": "profit a customer",
}


@dataclass(frozen=True)
class Models:
    """What a training run left.

    Attributes:
        new: trained by this demo, not found from an earlier one.
        cards: page of each candidate's model card.
    """

    features: "FeatureSet"
    trained: "TrainedModels"
    registered: "RegisteredModels"
    new: bool
    cards: "dict[str, Path]"


def train(settings: "Settings") -> Models:
    """Run the training pipeline, unless its newest run learned from the same data with the same settings."""
    from mlflow.utils.logging_utils import disable_logging

    from pipelines.training import train_churn_model

    # What it logs of its models, the table below says better.
    disable_logging()  # type: ignore[no-untyped-call]
    found = _newest(settings)
    return found or _models(run_here(train_churn_model), new=True)


def reasons_to_train(settings: "Settings") -> tuple[str, ...]:
    """Say why the models should be trained again, as `churn train --if-needed` would; empty where they need not be."""
    from churn.training.triggers import decide, look
    from stacks.environment import dbt_project
    from steps.registry import active_ledger

    entries, now = active_ledger().entries(), utc_now()
    need = decide(
        look(settings.lake.url, entries, settings.features, dbt_dir=dbt_project(), now=now), settings.triggers, now
    )
    return need.reasons if entries and need.decision == "train" else ()


def print_models(models: Models) -> None:
    """Print the candidates beside the baseline that knows recency only."""
    report = models.trained.report
    versions = {model.candidate: model.version for model in models.registered.models}
    rows = [(name, versions[name], *_figures(model.metrics)) for name, model in report.models.items()]
    print_table(
        f"{report.rows:,} customers at {report.cutoffs[-1]}, of whom {report.base_rate:.0%} left within "
        f"{models.features.settings.horizon_days} days{'' if models.new else '; trained before'}",
        ["model", "version", *SHOWN.values()],
        [
            *((name.replace("_", " "), *rest) for name, *rest in rows),
            ("recency only", "–", *_figures(report.recency.metrics)),
            *(
                [("in production", report.incumbent.name, *_figures(report.incumbent.metrics))]
                if report.incumbent
                else []
            ),
        ],
    )


def _figures(metrics: "dict[Metric, Estimate]") -> list[str]:
    return [_figure(metrics[name]) for name in SHOWN]


def _figure(estimate: "Estimate") -> str:
    if estimate.value is None:
        return "–"
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:.3f}"
    return f"{estimate.value:.3f} ({estimate.low:.3f} – {estimate.high:.3f})"


def _newest(settings: "Settings") -> Models | None:
    from zenml.client import Client

    from churn.errors import ChurnError
    from churn.features.recipe import used_of
    from churn.lake.snapshot import take_snapshot

    runs = Client().list_pipeline_runs(pipeline="train_churn_model", status="completed", sort_by="desc:created", size=1)
    if not runs.items:
        return None
    try:
        models = _models(runs.items[0], new=False)
        bundle = Client().get_artifact_version(models.trained.models[0].artifact).load()
    except (ChurnError, LookupError, OSError, ValueError):
        # Deleted since, moved, or written by another version of this program.
        return None
    lineage = bundle.manifest.lineage
    same_data = lineage.snapshot.digest == used_of(take_snapshot(settings.lake.url)).digest
    same_settings = lineage.feature_settings.digest == settings.features.digest
    return models if same_data and same_settings and bundle.manifest.settings == settings.training else None


def _models(run: "PipelineRunResponse", *, new: bool) -> Models:
    from pathlib import Path

    from zenml.client import Client

    def output(step: str, name: str) -> object:
        return run.steps[step].outputs[name][0].load()

    trained = cast("TrainedModels", output("train", "trained_models"))
    cards = {}
    for model in trained.models:
        for page in Client().get_artifact_version(model.artifact).visualizations or []:
            cards[model.candidate] = Path(page.uri)
    return Models(
        features=cast("FeatureSet", output("build_features", "feature_set")),
        trained=trained,
        registered=cast("RegisteredModels", output("register", "registered_models")),
        new=new,
        cards=cards,
    )
