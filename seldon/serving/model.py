"""The model of a bundle: checked, warm, and scored by matrices."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from churn.bundle.checked import MODEL, check_files, check_golden, open_session
from churn.bundle.errors import BundleInvalid
from seldon.serving.fused import Block, columns_of, fuse

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

Numbers = NDArray[np.float32]
Texts = NDArray[np.object_]
Scores = NDArray[np.float64]

OUTPUTS: Final = ("stay", "churn")


@dataclass(frozen=True)
class Input:
    """A feature: a number, or a short text; `required` ones are never unknown."""

    name: str
    kind: Literal["numeric", "categorical"]
    description: str
    required: bool


@dataclass(frozen=True)
class Model:
    """A bundle's model.

    Attributes:
        inputs: the features in the order of the manifest.
        numbers: names of the numeric ones in the order of the matrix that `score` takes.
        texts: the same for the categorical ones.
        missing: stands for an unknown category.
        threshold: a customer with at least this score is contacted.
    """

    digest: str
    inputs: tuple[Input, ...]
    numbers: tuple[str, ...]
    texts: tuple[str, ...]
    missing: str
    threshold: float
    candidate: str
    _session: "InferenceSession"
    _output: str
    _number_blocks: tuple[Block, ...]
    _text_blocks: tuple[Block, ...]

    def score(self, numbers: Numbers, texts: Texts) -> Scores:
        """Return the probability of churn of each row; NaN is an unknown number, `missing` an unknown text.

        What a row scores does not depend on the others; about the last of an odd number the model is asked twice, for
        the reason that `churn.bundle.bundle.run` gives.
        """
        if len(numbers) % 2:
            return self._scores(_even(numbers), _even(texts))[:-1]
        return self._scores(numbers, texts)

    def _scores(self, numbers: Numbers, texts: Texts) -> Scores:
        feed = {**_feed(numbers, self._number_blocks), **_feed(texts, self._text_blocks)}
        (scores,) = self._session.run([self._output], feed)
        return np.asarray(scores[:, 0], dtype=np.float64)

    def matrices(self, size: int, numbers: Iterable[bytes], texts: Iterable[Sequence[str]]) -> tuple[Numbers, Texts]:
        """Return `size` rows of several origins as matrices; they come row by row in the model's order."""
        codes: Texts = np.empty(size * len(self.texts), dtype=object)
        codes[:] = [*chain.from_iterable(texts)]
        joined = np.ndarray((size, len(self.numbers)), np.float32, b"".join(numbers))
        return joined, codes.reshape(size, len(self.texts))

    def columns(self, rows: Sequence[Mapping[str, float | str | None]]) -> tuple[Numbers, Texts]:
        """Return rows that hold every feature as matrices."""
        numbers = [[np.nan if row[name] is None else row[name] for name in self.numbers] for row in rows]
        texts = [[self.missing if row[name] is None else row[name] for name in self.texts] for row in rows]
        return (
            np.array(numbers, dtype=np.float32).reshape(len(rows), len(self.numbers)),
            np.array(texts, dtype=object).reshape(len(rows), len(self.texts)),
        )


def open_model(path: Path, digest: str) -> Model:
    """Check a bundle, load its model and score the golden rows: the first prediction, which is the slow one.

    Raises:
        BundleInvalid: names the file and what is wrong with it.
    """
    files = check_files(path, digest)
    manifest: Any = files.document
    try:
        inputs = tuple(
            Input(entry["name"], entry["kind"], entry["description"], bool(entry.get("required", False)))
            for entry in manifest["inputs"]
        )
        fused = fuse(files.contents[MODEL])
        kinds = {entry.name: entry.kind for entry in inputs}
        number_blocks = tuple(block for block in fused.blocks if kinds[block.columns[0]] == "numeric")
        text_blocks = tuple(block for block in fused.blocks if kinds[block.columns[0]] == "categorical")
        model = Model(
            digest=manifest["digest"],
            inputs=inputs,
            numbers=columns_of(number_blocks),
            texts=columns_of(text_blocks),
            missing=manifest["missing_category"],
            threshold=float(manifest["threshold"]),
            candidate=str(manifest["candidate"]),
            _session=open_session(fused.model),
            _output=manifest["output"],
            _number_blocks=number_blocks,
            _text_blocks=text_blocks,
        )
        golden = [row["inputs"] for row in manifest["golden"]]
        scores = model.score(*model.columns(golden))
    except Exception as error:
        # onnxruntime raises errors of its own kinds for whatever it does not understand.
        raise BundleInvalid(
            f"{path / MODEL}: cannot be run ({type(error).__name__}); it was written by another version of this program"
        ) from error
    check_golden(path, scores, [row["score"] for row in manifest["golden"]])
    return model


def _even(matrix: NDArray[Any]) -> NDArray[Any]:
    return np.concatenate([matrix, matrix[-1:]])


def _feed(matrix: NDArray[Any], blocks: tuple[Block, ...]) -> dict[str, NDArray[Any]]:
    if len(blocks) == 1:
        return {blocks[0].name: matrix}
    feed, at = {}, 0
    for block in blocks:
        feed[block.name] = matrix[:, at : at + len(block.columns)]
        at += len(block.columns)
    return feed
