"""A bundle's files held against its manifest, without anything that trains: so the prediction server opens one too."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from churn.bundle.errors import BundleInvalid

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

MANIFEST: Final = "manifest.json"
MODEL: Final = "model.onnx"
REFERENCE: Final = "reference.parquet"
TRANSFORMED: Final = "transformed.parquet"
CARD: Final = "card.html"
FILES: Final = (MODEL, REFERENCE, TRANSFORMED, CARD)
FORMAT: Final = 1
GOLDEN_TOLERANCE: Final = 1e-5

_OUTSIDE_THE_DIGEST = ("digest", "run")


@dataclass(frozen=True)
class CheckedFiles:
    """Files that are what the manifest says.

    Attributes:
        document: the manifest as it stands in its file.
        contents: the other files by name.
    """

    path: Path
    document: Mapping[str, object]
    contents: Mapping[str, bytes]


def check_files(path: Path, expected: str | None = None) -> CheckedFiles:
    """Read a bundle and check every file against the manifest.

    Args:
        path: the bundle's folder.
        expected: the digest somebody recorded elsewhere, such as in the ledger; the manifest vouches only for itself.

    Raises:
        BundleInvalid: names the file and what is wrong with it.
    """
    document = _manifest(path / MANIFEST)
    files = document.get("files")
    known = files if isinstance(files, dict) else {}
    contents = {name: _read(path / name) for name in FILES}
    for name, content in contents.items():
        if sha256(content) != known.get(name):
            raise BundleInvalid(f"{path / name}: altered since the bundle was written; restore it from the store")
    digest = document.get("digest")
    if digest_of(document) != digest:
        raise BundleInvalid(f"{path / MANIFEST}: altered since the bundle was written; restore it from the store")
    if expected is not None and digest != expected:
        raise BundleInvalid(f"{path}: has the digest {digest}, but {expected} was expected: another model")
    return CheckedFiles(path, document, contents)


def check_golden(path: Path, scores: NDArray[np.float64], recorded: Sequence[float]) -> None:
    """Refuse a model that does not score its golden rows as it did when it was written.

    Raises:
        BundleInvalid: some score differs.
    """
    if (worst := float(np.abs(scores - recorded).max(initial=0))) > GOLDEN_TOLERANCE:
        raise BundleInvalid(
            f"{path}: scores differ from those recorded by up to {worst:.2g}; this onnxruntime does not run the "
            "model as it was trained, install the locked version"
        )


def open_session(model: bytes) -> "InferenceSession":
    """Return the model, to be run on one thread: several add more waiting than speed to a small model."""
    from onnxruntime import InferenceSession, SessionOptions

    options = SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return InferenceSession(model, options, providers=["CPUExecutionProvider"])


def digest_of(document: Mapping[str, object]) -> str:
    """Return the digest of a manifest and the files it lists, without what says who made it and when."""
    content = {name: value for name, value in document.items() if name not in _OUTSIDE_THE_DIGEST}
    files = document.get("files")
    digests = dict(files) if isinstance(files, dict) else {}
    digests[MANIFEST] = sha256(_compact(content, sort_keys=True))
    return sha256(_compact(sorted(digests.items())))


def sha256(content: bytes) -> str:
    """Return the hexadecimal SHA-256."""
    return hashlib.sha256(content).hexdigest()


def _compact(value: object, *, sort_keys: bool = False) -> bytes:
    return json.dumps(value, sort_keys=sort_keys, separators=(",", ":")).encode()


def _manifest(path: Path) -> dict[str, object]:
    try:
        document = json.loads(_read(path))
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise BundleInvalid(f"{path}: is no JSON object: it is damaged; restore the bundle from the store")
    if document.get("format") != FORMAT:
        raise BundleInvalid(f"{path}: format: must be {FORMAT}; it was written by another version of this program")
    return document


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise BundleInvalid(f"{path}: missing; restore the bundle from the store") from None
    except OSError as error:
        raise BundleInvalid(f"{path}: cannot be read ({error.strerror}); restore the bundle from the store") from None
