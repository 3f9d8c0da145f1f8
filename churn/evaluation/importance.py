"""How much a model leans on each feature: what shuffling it costs (permutation importance, Breiman 2001)."""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from churn.evaluation.metrics import Floats, roc_auc
from churn.frozen import Frozen

Columns = Mapping[str, NDArray[np.generic]]


class Importance(Frozen):
    """ROC-AUC lost when a feature is shuffled; near zero or below means that the model does without it."""

    feature: str
    auc_loss: float


def permutation_importance(
    score: Callable[[Columns], Floats],
    columns: Columns,
    churned: NDArray[np.bool_],
    *,
    rows: int,
    rounds: int,
    seed: int,
) -> tuple[Importance, ...]:
    """Return the mean loss of each feature, largest first; one that is the same in all rows loses nothing.

    Args:
        score: gives the probability of churn for columns of equal length.
        columns: the test rows, one array a feature.
        churned: their outcomes.
        rows: most rows to look at, drawn with the seed.
        rounds: permutations of every feature.
        seed: of rows and permutations.
    """
    draw = np.random.default_rng(seed)
    chosen = np.sort(draw.permutation(len(churned))[:rows])
    sample, outcome = {name: values[chosen] for name, values in columns.items()}, churned[chosen]
    whole = roc_auc(outcome, score(sample))
    permutations = [draw.permutation(len(chosen)) for _ in range(rounds)]
    losses = {
        name: float(
            np.mean([whole - roc_auc(outcome, score({**sample, name: values[order]})) for order in permutations])
        )
        if _varies(values)
        else 0.0
        for name, values in sample.items()
    }
    ranked = sorted(losses.items(), key=lambda loss: (-loss[1], loss[0]))
    return tuple(Importance(feature=name, auc_loss=loss) for name, loss in ranked)


def _varies(values: NDArray[np.generic]) -> bool:
    """Tell whether there are two different values; unknown numbers are alike."""
    first = values[:1]
    same = (values == first) | ((values != values) & (first != first))
    return not bool(np.all(same))
