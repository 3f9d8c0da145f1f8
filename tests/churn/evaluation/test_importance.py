import numpy as np
from numpy.typing import NDArray

from churn.evaluation.importance import Columns, permutation_importance
from churn.evaluation.metrics import Floats

CHURNED = np.arange(200) % 2 == 0
LEANED_ON = np.where(CHURNED, 0.9, 0.1)


def importance_of(columns: Columns) -> tuple[dict[str, float], int]:
    calls: list[Columns] = []

    def score(given: Columns) -> Floats:
        calls.append(given)
        return np.asarray(given["leaned_on"], dtype=np.float64)

    found = permutation_importance(score, columns, CHURNED, rows=100, rounds=3, seed=1)
    return {one.feature: one.auc_loss for one in found}, len(calls)


def test_what_the_model_leans_on_costs_most_when_it_is_shuffled() -> None:
    losses, _ = importance_of({"unused": np.arange(200.0), "leaned_on": LEANED_ON})

    assert list(losses) == ["leaned_on", "unused"]
    assert losses["leaned_on"] > 0.3
    assert losses["unused"] == 0


def test_a_feature_that_is_the_same_for_everybody_loses_nothing_and_is_not_scored_again() -> None:
    constant: dict[str, NDArray[np.generic]] = {
        "nothing": np.full(200, np.nan, dtype=np.float32),
        "one": np.ones(200),
        "word": np.full(200, "gold", dtype=object),
    }

    losses, calls = importance_of({**constant, "leaned_on": LEANED_ON})

    assert {losses[name] for name in constant} == {0.0}
    assert calls == 1 + 3


def test_a_feature_that_is_sometimes_unknown_varies() -> None:
    sometimes = np.where(CHURNED, np.nan, 1.0)

    losses, calls = importance_of({"sometimes": sometimes, "leaned_on": LEANED_ON})

    assert losses["sometimes"] == 0
    assert calls == 1 + 3 + 3
