import numpy as np
import pytest

from churn.evaluation.bootstrap import Draws
from churn.evaluation.metrics import METRICS


def draws(*resampled: float) -> Draws:
    return Draws(dict.fromkeys(METRICS, 0.0), dict.fromkeys(METRICS, np.array(resampled)))


def test_only_resamples_in_which_both_are_defined_can_be_above() -> None:
    mine, other = draws(0.9, 0.8, np.nan, 0.7), draws(0.8, 0.8, 0.1, np.nan)

    assert mine.share_above(other, "roc_auc") == pytest.approx(0.25)
    assert other.share_above(mine, "roc_auc") == 0
    assert mine.share_above(mine, "roc_auc") == 0
