"""An opened bundle: checked, and ready to score. Needs onnxruntime, and no scikit-learn."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import ValidationError

from churn.bundle.errors import BundleInvalid, UnfitInput
from churn.bundle.manifest import FILES, MANIFEST, MODEL, Manifest, sha256
from churn.evaluation.metrics import Floats
from churn.features.catalogue import Feature
from churn.training.frames import columns_of

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

GOLDEN_TOLERANCE = 1e-5


@dataclass(frozen=True)
class Bundle:
    """A model that is what its manifest says."""

    path: Path
    manifest: Manifest
    session: "InferenceSession"

    @property
    def digest(self) -> str:
        """Names the model by content; run ids do not count."""
        return self.manifest.digest

    def score(self, columns: Mapping[str, NDArray[np.generic]]) -> Floats:
        """Return the probability of churn for arrays of equal length, one a feature: float32 (NaN) or strings."""
        return run(self.session, self.manifest.output, columns)

    def predict(self, frame: pl.DataFrame) -> Floats:
        """Return the probability of churn of each row; further columns are left alone.

        Raises:
            UnfitInput: a column is missing, or has another type than in training.
        """
        return self.score(inputs_of(frame, self.manifest.catalogue))


def open_bundle(path: Path, expected: str | None = None) -> Bundle:
    """Check every file against the manifest, and the model against its golden predictions.

    Args:
        path: the bundle's folder.
        expected: the digest somebody recorded elsewhere, such as in the ledger; the manifest vouches only for itself.

    Raises:
        BundleInvalid: names the file and what is wrong with it.
    """
    manifest = _read_manifest(path)
    contents = {name: _read(path / name) for name in FILES}
    for name, content in contents.items():
        if sha256(content) != manifest.files.get(name):
            raise BundleInvalid(f"{path / name}: altered since the bundle was written; restore it from the store")
    if manifest.computed_digest() != manifest.digest:
        raise BundleInvalid(f"{path / MANIFEST}: altered since the bundle was written; restore it from the store")
    if expected is not None and manifest.digest != expected:
        raise BundleInvalid(f"{path}: has the digest {manifest.digest}, but {expected} was expected: another model")
    bundle = Bundle(path, manifest, open_session(contents[MODEL]))
    _check_golden(bundle)
    return bundle


def open_session(model: bytes) -> "InferenceSession":
    """Return the model, to be run on one thread: several add more waiting than speed to a small model."""
    from onnxruntime import InferenceSession, SessionOptions

    options = SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return InferenceSession(model, options, providers=["CPUExecutionProvider"])


def run(session: "InferenceSession", output: str, columns: Mapping[str, NDArray[np.generic]]) -> Floats:
    """Return the one output for columns of equal length."""
    if not len(next(iter(columns.values()))):
        return np.empty(0)
    (scores,) = session.run([output], {name: values.reshape(-1, 1) for name, values in columns.items()})
    return np.asarray(scores[:, 0], dtype=np.float64)


def inputs_of(frame: pl.DataFrame, catalogue: Sequence[Feature]) -> dict[str, NDArray[np.generic]]:
    """Return a frame's columns as the model takes them.

    Raises:
        UnfitInput: a column is missing, or has another type than in training.
    """
    if missing := [feature.name for feature in catalogue if feature.name not in frame.columns]:
        raise UnfitInput(f"columns {', '.join(missing)} are missing; build the features with the model's commit")
    for feature in catalogue:
        dtype = frame.schema[feature.name]
        if dtype != pl.Null and dtype.is_numeric() != (feature.kind == "numeric"):
            raise UnfitInput(f"{feature.name} is {dtype}, but the model takes {feature.kind} values")
    return columns_of(frame, catalogue)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise BundleInvalid(f"{path}: missing; restore the bundle from the store") from None


def _read_manifest(path: Path) -> Manifest:
    try:
        return Manifest.model_validate_json(_read(path / MANIFEST))
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(map(str, fault["loc"])) or "the file"
        raise BundleInvalid(
            f"{path / MANIFEST}: {where}: {fault['msg']}; it is damaged, or was written by another version of this "
            "program"
        ) from None


def _check_golden(bundle: Bundle) -> None:
    golden = bundle.manifest.golden
    schema = {feature.name: feature.dtype for feature in bundle.manifest.catalogue}
    frame = pl.DataFrame([row.inputs for row in golden], schema=schema, orient="row")
    difference = np.abs(bundle.predict(frame) - [row.score for row in golden])
    if (worst := float(difference.max(initial=0))) > GOLDEN_TOLERANCE:
        raise BundleInvalid(
            f"{bundle.path}: scores differ from those recorded by up to {worst:.2g}; this onnxruntime does not run the "
            "model as it was trained, install the locked version"
        )
