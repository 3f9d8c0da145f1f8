"""What a bundle is, where it came from and how to check that it still is the same."""

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from pydantic import Field

from churn.evaluation.importance import Importance
from churn.evaluation.report import BaselineReport, Estimates
from churn.features.catalogue import Feature, FeatureKind
from churn.features.cutoffs import Cutoffs
from churn.features.settings import FeatureSettings
from churn.frozen import Frozen
from churn.lake.snapshot import DataSnapshot, TableVersion
from churn.training.settings import TrainingSettings

MANIFEST = "manifest.json"
MODEL = "model.onnx"
REFERENCE = "reference.parquet"
TRANSFORMED = "transformed.parquet"
CARD = "card.html"
FILES = (MODEL, REFERENCE, TRANSFORMED, CARD)

_OUTSIDE_THE_DIGEST = {"digest", "run"}


class InputColumn(Frozen):
    """A raw feature the model takes: float32 with NaN for unknown, or a string."""

    name: str
    kind: FeatureKind
    description: str

    @property
    def feature(self) -> Feature:
        """The catalogue's entry."""
        return Feature(self.name, self.kind, self.description)


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
        content = self.model_dump(mode="json", exclude=_OUTSIDE_THE_DIGEST)
        manifest = json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
        return _digest_of({**self.files, MANIFEST: sha256(manifest)})


def sha256(content: bytes) -> str:
    """Return the hexadecimal SHA-256."""
    return hashlib.sha256(content).hexdigest()


def _digest_of(files: Mapping[str, str]) -> str:
    return sha256(json.dumps(sorted(files.items()), separators=(",", ":")).encode())
