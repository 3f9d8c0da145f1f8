"""What a training leaves behind, by reference: the comparison and where each bundle is kept."""

from churn.bundle.manifest import Manifest
from churn.evaluation.report import EvaluationReport
from churn.frozen import Frozen


class TrainedModel(Frozen):
    """A bundle that may be registered.

    Attributes:
        artifact: id of the artifact that holds it.
        mlflow_run: the run that holds its figures.
        mlflow_model: URI of the logged model.
    """

    candidate: str
    digest: str
    artifact: str
    mlflow_run: str
    mlflow_model: str


class TrainedModels(Frozen):
    """All candidates of a run, in the order of the settings."""

    report: EvaluationReport
    models: tuple[TrainedModel, ...]


class RegisteredModel(Frozen):
    """A version of the model `churn`, in the Model Control Plane and in MLflow."""

    candidate: str
    digest: str
    version: str
    mlflow_version: str


class RegisteredModels(Frozen):
    """The versions a run added."""

    models: tuple[RegisteredModel, ...]


def figures(manifest: Manifest) -> dict[str, float]:
    """Return every metric on the test cutoff with the ends of its interval, under stable names."""
    found: dict[str, float] = {}
    for name, estimate in manifest.metrics.items():
        for end, value in (("", estimate.value), ("_low", estimate.low), ("_high", estimate.high)):
            if value is not None:
                found[f"{name}{end}"] = value
    return found
