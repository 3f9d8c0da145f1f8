"""A server that takes part in a comparison."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from churn.bundle.bundle import Bundle


@dataclass(frozen=True)
class Material:
    """What every contender serves, and what it is asked.

    Attributes:
        bundle: the model for those that run ONNX.
        pipeline: the same model, pickled, for those that run scikit-learn.
        rows: values in the order of `names`, to be repeated as often as needed.
        score: of the first row.
        folder: to put files in.
    """

    bundle: Bundle
    pipeline: Path
    names: Sequence[str]
    rows: Sequence[Sequence[Any]]
    score: float
    folder: Path

    def some(self, count: int) -> list[Sequence[Any]]:
        """Return that many rows."""
        return [self.rows[i % len(self.rows)] for i in range(count)]

    def ndarray(self, count: int) -> Mapping[str, Any]:
        """Return a request of the Seldon protocol."""
        return {"data": {"names": self.names, "ndarray": self.some(count)}}


def first_of_ndarray(answer: Any) -> float:  # noqa: ANN401 - JSON
    """Return the first row's score from an answer of the Seldon protocol."""
    return float(answer["data"]["ndarray"][0][1])


@dataclass(frozen=True)
class Contender:
    """A server and how to ask it.

    Attributes:
        command: starts it on a port; the two ports after that are its own too.
        body: the request for a number of rows.
        first: the first row's score from an answer; none for what does not score.
        environ: variables beside those of this process.
        logs: whether it has a prediction log, so that what that dropped belongs beside its cost.
    """

    name: str
    command: Callable[[int], Sequence[str]]
    body: Callable[[int], Mapping[str, Any]]
    first: Callable[[Any], float] | None = first_of_ndarray
    path: str = "/api/v1.0/predictions"
    ready: str = "/health/ping"
    environ: Mapping[str, str] = field(default_factory=dict)
    logs: bool = False
