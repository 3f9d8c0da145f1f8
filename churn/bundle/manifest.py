"""What a bundle is, where it came from and how to check that it still is the same."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from churn.bundle.checked import digest_of
from churn.evaluation.importance import Importance
from churn.evaluation.report import BaselineReport, Estimates
from churn.features.catalogue import Feature, FeatureKind
from churn.features.cutoffs import Cutoffs
from churn.features.settings import FeatureSettings
from churn.frozen import Frozen
from churn.lake.snapshot import DataSnapshot, TableVersion
from churn.training.settings import TrainingSettings


class InputColumn(Frozen):
    """A raw feature the model takes: float32 with NaN for unknown, or a string."""

    name: str
    kind: FeatureKind
    description: str
    required: bool = Field(default=False, description="is never unknown, so that a request without it is a mistake")

    @property
    def feature(self) -> Feature:
        """The catalogue's entry."""
        return Feature(self.name, self.kind, self.description, required=self.required)


class GoldenRow(Frozen):
    """Inputs whose score is known, to check an installation."""

    inputs: dict[str, float | str | None]
    score: float


class Parity(Frozen):
    """How closely ONNX follows the fitted pipeline, over all rows compared."""

    rows: int
    largest_difference: float


class Lineage(Frozen):
    """Everything that is needed to make the same model again."""

    git_commit: str
    git_dirty: bool = Field(description="the working tree held changes that no commit names")
    lock_digest: str = Field(description="SHA-256 of the locked requirements")
    snapshot: DataSnapshot
    features: TableVersion
    features_digest: str = Field(description="SHA-256 of the rows of the feature table")
    feature_settings: FeatureSettings
    cutoffs: Cutoffs


class RunIds(Frozen):
    """Who made it and when; says nothing about what it is, so the digest leaves it out."""

    created_at: datetime
    version: str | None = None
    zenml_run: str | None = None
    mlflow_run: str | None = None


class Manifest(Frozen):
    """`manifest.json`."""

    format: Literal[1] = 1
    candidate: str
    inputs: tuple[InputColumn, ...]
    output: str
    missing_category: str = Field(description="stands for an unknown category")
    threshold: float = Field(description="a customer with at least this score is contacted")
    parameters: dict[str, float | int | str]
    selection_auc: float
    calibration_auc: float
    metrics: Estimates = Field(description="on the test cutoff, with intervals over customers")
    over_recency: Estimates
    over_incumbent: Estimates | None
    recency: BaselineReport
    incumbent: BaselineReport | None
    base_rate: float = Field(description="share of the test rows that churned")
    rows: dict[str, int] = Field(description="rows by split")
    importance: tuple[Importance, ...]
    parity: Parity
    predictions_digest: str = Field(description="SHA-256 of the float32 scores of the test rows, in their order")
    golden: tuple[GoldenRow, ...]
    settings: TrainingSettings
    lineage: Lineage
    packages: dict[str, str] = Field(description="versions of the libraries that decide the bits")
    files: dict[str, str] = Field(description="SHA-256 of the other files")
    digest: str = Field(default="", description="SHA-256 over the sorted (file name, file digest), without `run`")
    run: RunIds | None = None

    @property
    def catalogue(self) -> tuple[Feature, ...]:
        """The features in the order the model takes them."""
        return tuple(column.feature for column in self.inputs)

    def computed_digest(self) -> str:
        """Return what `digest` must be."""
        return digest_of(self.model_dump(mode="json"))
