"""The models that compete, one file each.

A candidate is a module with a function `fit(problem, settings) -> Found`. A file put here, or a module of another
package named with dots, takes part as soon as `training.candidates` in the settings names it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from churn.features.catalogue import Feature
from churn.training.errors import UnknownCandidate

if TYPE_CHECKING:
    import pandas as pd

    from churn.training.settings import TrainingSettings

Parameters = dict[str, float | int | str]


@dataclass(frozen=True)
class Problem:
    """What a candidate may see: rows to fit, later rows to choose and to stop on, and one seed."""

    catalogue: Sequence[Feature]
    train: "pd.DataFrame"
    churned: NDArray[np.bool_]
    selection: "pd.DataFrame"
    selection_churned: NDArray[np.bool_]
    seed: int


@dataclass(frozen=True)
class Found:
    """The best a candidate came up with: fitted scikit-learn steps, the last one a classifier."""

    steps: tuple[tuple[str, Any], ...]
    parameters: Parameters
    selection_auc: float


class Fit(Protocol):
    """What a candidate's module calls `fit`; equal arguments must give equal bits."""

    def __call__(self, problem: Problem, settings: "TrainingSettings") -> Found:
        """Fit, search and stop early, looking at nothing but the problem."""
        ...


def load_candidate(name: str) -> Fit:
    """Return a candidate's `fit`.

    Raises:
        UnknownCandidate: there is no such module, or it has no `fit`.
    """
    module = name if "." in name else f"{__name__}.{name}"
    try:
        found = import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not (module == error.name or module.startswith(f"{error.name}.")):
            raise
        built_in = ", ".join(sorted(entry.name for entry in iter_modules(__path__)))
        raise UnknownCandidate(
            f"training.candidates: there is no {name}; built in are {built_in}, others are named with their package"
        ) from None
    if not callable(getattr(found, "fit", None)):
        raise UnknownCandidate(f"training.candidates: {module} has no function fit(problem, settings)")
    return cast(Fit, found.fit)
