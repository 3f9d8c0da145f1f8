"""From a version of the feature table to bundles that may be registered."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

from zenml import get_step_context, log_metadata, save_artifact, step

from churn.bundle.bundle import Bundle
from churn.bundle.manifest import Lineage, RunIds
from churn.features.feature_set import FeatureSet
from churn.training.experiment import run_experiment
from churn.training.trained import TrainedModel, TrainedModels
from materializers.bundle import BundleMaterializer
from materializers.trained_models import TrainedModelsMaterializer
from stacks.environment import CHECKOUT, active_settings, dbt_project, project_clock, work_folder
from steps.code_version import code_version, lock_digest
from steps.guard import failing_closed
from steps.in_production import in_production
from steps.tracking import record_bundle


@step(enable_cache=False, experiment_tracker=True, output_materializers=TrainedModelsMaterializer)
def train(feature_set: FeatureSet) -> Annotated[TrainedModels, "trained_models"]:
    """Train, judge and keep every candidate of the settings; each gets an MLflow run of its own below this step's."""
    run = get_step_context().pipeline_run
    with failing_closed(f"{run.name} train", "training_failed"):
        code = code_version(CHECKOUT)
        work_folder().mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix="train-", dir=work_folder()) as folder:
            experiment = run_experiment(
                feature_set,
                active_settings().training,
                dbt_dir=dbt_project(),
                lineage=Lineage(
                    git_commit=code.commit,
                    git_dirty=code.dirty,
                    lock_digest=lock_digest(CHECKOUT),
                    snapshot=feature_set.snapshot,
                    features=feature_set.features,
                    features_digest=feature_set.digest,
                    feature_settings=feature_set.settings,
                    cutoffs=feature_set.cutoffs,
                ),
                out=Path(folder),
                ids=RunIds(created_at=project_clock().now(), zenml_run=str(run.id)),
                incumbent=in_production(),
            )
            models = tuple(_kept(bundle, zenml_run=str(run.id)) for bundle in experiment.bundles)
    log_metadata(
        {f"{name}_auc": model.metrics["roc_auc"].value or 0.0 for name, model in experiment.report.models.items()}
    )
    return TrainedModels(report=experiment.report, models=models)


def _kept(bundle: Bundle, *, zenml_run: str) -> TrainedModel:
    """Store a bundle as an artifact and tell MLflow of it."""
    candidate = bundle.manifest.candidate
    artifact = save_artifact(bundle, f"bundle_{candidate}", materializer=BundleMaterializer)
    mlflow_run, mlflow_model = record_bundle(bundle, zenml_run=zenml_run)
    return TrainedModel(
        candidate=candidate,
        digest=bundle.digest,
        artifact=str(artifact.id),
        mlflow_run=mlflow_run,
        mlflow_model=mlflow_model,
    )
