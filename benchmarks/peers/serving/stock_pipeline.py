"""The pipeline under the stock microservice, as Seldon's documentation would have it."""

from collections.abc import Sequence
from typing import Any

from benchmarks.peers.serving.pipeline import load, score


class StockPipeline:
    """What `seldon-core-microservice` is given."""

    def __init__(self) -> None:
        self._pipeline = load()

    def predict(self, X: Any, names: Sequence[str], meta: object = None) -> Any:  # noqa: ANN401, N803 - as Seldon has it
        """Return the probabilities of each row."""
        return score(self._pipeline, names, X)
