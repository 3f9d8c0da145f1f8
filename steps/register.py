"""New versions of the model, in the Model Control Plane and in MLflow: all of a run's candidates or none."""

from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated

from zenml import get_step_context, log_metadata, step
from zenml.client import Client
from zenml.exceptions import EntityExistsError
from zenml.metadata.metadata_types import MetadataType
from zenml.model.utils import link_artifact_version_to_model_version

from churn.bundle.bundle import Bundle
from churn.bundle.manifest import Lineage
from churn.errors import ChurnError
from churn.features.catalogue import TABLE
from churn.lake.pins import pin, unpin
from churn.lake.snapshot import DataSnapshot
from churn.training.trained import RegisteredModel, RegisteredModels, TrainedModel, TrainedModels, figures
from materializers.registered_models import RegisteredModelsMaterializer
from stacks.environment import active_settings
from steps.all_or_nothing import Undo, all_or_nothing
from steps.guard import failing_closed
from steps.held_back import held_back
from steps.tracking import MODEL_NAME


@step(enable_cache=False, experiment_tracker=True, output_materializers=RegisteredModelsMaterializer)
def register(trained_models: TrainedModels) -> Annotated[RegisteredModels, "registered_models"]:
    """Make each bundle a version of the model `churn` and pin the table versions it was made from."""
    source = f"{get_step_context().pipeline_run.name} register"
    with failing_closed(source, "training_failed"), all_or_nothing() as undo:
        lake_url = active_settings().lake.url
        with suppress(EntityExistsError):
            Client().create_model(MODEL_NAME, description="The chance that a customer leaves within the horizon.")
        models = tuple(_register(model, lake_url, undo) for model in trained_models.models)
    log_metadata({model.candidate: model.version for model in models})
    return RegisteredModels(models=models)


def _register(model: TrainedModel, lake_url: str, undo: Undo) -> RegisteredModel:
    """Add one version; `undo` takes it back unless the others succeed too."""
    with held_back():
        return _registered(model, lake_url, undo)


def _registered(model: TrainedModel, lake_url: str, undo: Undo) -> RegisteredModel:
    import mlflow

    client, tracker = Client(), mlflow.MlflowClient()
    artifact = client.get_artifact_version(model.artifact)
    bundle = artifact.load()
    if not isinstance(bundle, Bundle) or bundle.digest != model.digest:
        raise ChurnError(
            f"{model.candidate}: the artifact {model.artifact} is not the bundle that was trained; train again"
        )
    tags = {"candidate": model.candidate, "bundle_digest": model.digest}
    tracked = mlflow.register_model(model.mlflow_model, MODEL_NAME, tags=tags)
    undo(
        f"version {tracked.version} of {MODEL_NAME} in MLflow",
        lambda: tracker.delete_model_version(MODEL_NAME, tracked.version),
    )
    version = client.create_model_version(MODEL_NAME, tags=[model.candidate])
    undo(f"version {version.number} of {MODEL_NAME} in ZenML", lambda: client.delete_model_version(version.id))
    holder = f"{MODEL_NAME} {version.number}"
    undo(f"the pins of {holder}", lambda: unpin(lake_url, holder, datetime.now(UTC)))
    pin(lake_url, _tables(bundle.manifest.lineage), holder, datetime.now(UTC))
    link_artifact_version_to_model_version(artifact_version=artifact, model_version=version)
    log_metadata(metadata=_facts(bundle, model, str(tracked.version)), model_version_id=version.id)
    tracker.set_model_version_tag(MODEL_NAME, tracked.version, "zenml_version", str(version.number))
    return RegisteredModel(
        candidate=model.candidate,
        digest=model.digest,
        version=str(version.number),
        mlflow_version=str(tracked.version),
    )


def _tables(lineage: Lineage) -> DataSnapshot:
    return DataSnapshot(tables={**lineage.snapshot.tables, TABLE: lineage.features})


def _facts(bundle: Bundle, model: TrainedModel, mlflow_version: str) -> dict[str, MetadataType]:
    lineage = bundle.manifest.lineage
    return {
        "candidate": model.candidate,
        "bundle_digest": model.digest,
        "bundle_artifact": model.artifact,
        "mlflow_version": mlflow_version,
        "mlflow_run": model.mlflow_run,
        "git_commit": lineage.git_commit,
        "git_dirty": lineage.git_dirty,
        "features_digest": lineage.features_digest,
        **{f"version_{name}": table.version for name, table in _tables(lineage).tables.items()},
        **figures(bundle.manifest),
    }
