"""An opened bundle: checked, and ready to score. Needs onnxruntime, and no scikit-learn."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import ValidationError

from churn.bundle.checked import MANIFEST, MODEL, CheckedFiles, check_files, check_golden, open_session
from churn.bundle.errors import BundleInvalid, UnfitInput
from churn.bundle.manifest import Manifest
from churn.evaluation.metrics import Floats
from churn.features.catalogue import Feature
from churn.training.frames import columns_of

if TYPE_CHECKING:
    from onnxruntime import InferenceSession


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
    files = check_files(path, expected)
    bundle = Bundle(path, _manifest(files), open_session(files.contents[MODEL]))
    golden = bundle.manifest.golden
    schema = {feature.name: feature.dtype for feature in bundle.manifest.catalogue}
    frame = pl.DataFrame([row.inputs for row in golden], schema=schema, orient="row")
    check_golden(path, bundle.predict(frame), [row.score for row in golden])
    return bundle


def run(session: "InferenceSession", output: str, columns: Mapping[str, NDArray[np.generic]]) -> Floats:
    """Return the one output for columns of equal length.

    What a row scores must not depend on who stands beside it. But onnxruntime multiplies a single row in another order
    than several, and of an odd number takes the last one through other instructions; both can change a logistic
    regression's last bits. So about the last of an odd number of rows the model is asked twice.
    """
    rows = len(next(iter(columns.values())))
    if not rows:
        return np.empty(0)
    if rows % 2:
        return run(session, output, {name: np.append(values, values[-1:]) for name, values in columns.items()})[:-1]
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


def _manifest(files: CheckedFiles) -> Manifest:
    try:
        return Manifest.model_validate(files.document)
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(map(str, fault["loc"])) or "the file"
        raise BundleInvalid(
            f"{files.path / MANIFEST}: {where}: {fault['msg']}; it was written by another version of this program"
        ) from None
