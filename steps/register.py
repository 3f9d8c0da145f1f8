"""New versions of the model, in the Model Control Plane and in MLflow: all of a run's candidates or none."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
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
from stacks.environment import active_settings, project_clock
from steps.all_or_nothing import Undo, all_or_nothing
from steps.guard import failing_closed
from steps.held_back import held_back
from steps.registration import discard_abandoned, pin_holder, registering
from steps.registry import LEDGER_URI_KEY, RUN_TAG, active_ledger, active_registry, run_tag


@step(enable_cache=False, experiment_tracker=True, output_materializers=RegisteredModelsMaterializer)
def register(trained_models: TrainedModels) -> Annotated[RegisteredModels, "registered_models"]:
    """Make each bundle a version of the model and pin the table versions it was made from."""
    run = get_step_context().pipeline_run
    with failing_closed(f"{run.name} register", "training_failed"):
        registry, ledger, lake_url = active_registry(), active_ledger(), active_settings().lake.url
        discard_abandoned(ledger, registry, lake_url)
        with suppress(EntityExistsError):
            Client().create_model(registry.model, description="The chance that a customer leaves within the horizon.")
        bundles = [_bundle_of(model) for model in trained_models.models]
        with registering(ledger, str(run.id)) as commit, all_or_nothing() as undo:
            place = _Place(registry.model, str(run.id), lake_url, ledger.uri)
            models = tuple(
                _register(model, bundle, place, undo)
                for model, bundle in zip(trained_models.models, bundles, strict=True)
            )
            entries = commit(models, bundles[0].manifest.lineage)
        for entry in entries:
            registry.note(entry)
    log_metadata({model.candidate: model.version for model in models})
    return RegisteredModels(models=models)


@dataclass(frozen=True)
class _Place:
    name: str
    run: str
    lake_url: str
    ledger_uri: str


def _bundle_of(model: TrainedModel) -> Bundle:
    bundle = Client().get_artifact_version(model.artifact).load()
    if not isinstance(bundle, Bundle) or bundle.digest != model.digest:
        raise ChurnError(
            f"{model.candidate}: the artifact {model.artifact} is not the bundle that was trained; train again"
        )
    return bundle


def _register(model: TrainedModel, bundle: Bundle, place: _Place, undo: Undo) -> RegisteredModel:
    """Add one version; `undo` takes it back unless the others succeed too."""
    with held_back():
        return _registered(model, bundle, place, undo)


@contextmanager
def _unprinted() -> Iterator[None]:
    """Keep MLflow from printing a line or two for each version: the log and the table of versions have it."""
    from mlflow.utils.logging_utils import MLFLOW_LOGGING_STREAM

    before, MLFLOW_LOGGING_STREAM.enabled = MLFLOW_LOGGING_STREAM.enabled, False
    try:
        yield
    finally:
        MLFLOW_LOGGING_STREAM.enabled = before


def _registered(model: TrainedModel, bundle: Bundle, place: _Place, undo: Undo) -> RegisteredModel:
    import mlflow

    client, tracker, name = Client(), mlflow.MlflowClient(), place.name
    artifact = client.get_artifact_version(model.artifact)
    tags = {"candidate": model.candidate, "bundle_digest": model.digest, RUN_TAG: place.run}
    with _unprinted():
        tracked = mlflow.register_model(model.mlflow_model, name, tags=tags)
    undo(
        f"version {tracked.version} of {name} in MLflow",
        lambda: tracker.delete_model_version(name, tracked.version),
    )
    version = client.create_model_version(name, tags=[model.candidate, run_tag(place.run)])
    undo(f"version {version.number} of {name} in ZenML", lambda: client.delete_model_version(version.id))
    holder = pin_holder(name, str(version.number))
    undo(f"the pins of {holder}", lambda: unpin(place.lake_url, holder, project_clock().now()))
    pin(place.lake_url, _tables(bundle.manifest.lineage), holder, project_clock().now())
    link_artifact_version_to_model_version(artifact_version=artifact, model_version=version)
    log_metadata(
        metadata={**_facts(bundle, model, str(tracked.version)), LEDGER_URI_KEY: place.ledger_uri},
        model_version_id=version.id,
    )
    tracker.set_model_version_tag(name, tracked.version, "zenml_version", str(version.number))
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
