"""Features that know too much: the future, most likely."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from churn.evaluation.metrics import roc_auc
from churn.features.catalogue import Feature
from churn.training.errors import LeakSuspected
from churn.training.frames import LABEL, MISSING


def refuse_leaks(frame: pl.DataFrame, catalogue: Sequence[Feature], most: float) -> None:
    """Refuse features that tell the label alone.

    Args:
        frame: training rows.
        catalogue: the features to look at.
        most: ROC-AUC of one feature, in either direction, from which on it is refused.

    Raises:
        LeakSuspected: names the features and their figures.
    """
    strength = {feature.name: feature_auc(frame, feature) for feature in catalogue}
    suspects = {name: auc for name, auc in strength.items() if auc >= most}
    if suspects:
        named = ", ".join(f"{name} (ROC-AUC {auc:.3f})" for name, auc in sorted(suspects.items()))
        raise LeakSuspected(
            f"train: {named} tells who churned without any other feature; make sure that it uses nothing from after "
            "the cutoff, remove it, or raise training.quality.max_feature_auc"
        )


def feature_auc(frame: pl.DataFrame, feature: Feature) -> float:
    """Return the ROC-AUC of one feature alone, in the better direction; missing counts as lowest."""
    churned = frame[LABEL].cast(pl.Boolean)
    if feature.kind == "numeric":
        values = frame[feature.name].cast(pl.Float64).fill_nan(None)
        score = values.rank("dense").fill_null(0).cast(pl.Float64).to_numpy()
        auc = roc_auc(churned.to_numpy(), score)
        return max(auc, 1 - auc)
    # Churn rates of categories come from one half of the rows and are judged on the other: a category of one row
    # would tell its own label.
    rows = pl.DataFrame({"category": frame[feature.name].cast(pl.String).fill_null(MISSING), "churned": churned})
    odd = pl.Series(np.arange(len(rows)) % 2 == 1)
    rates = rows.filter(odd).group_by("category").agg(pl.col("churned").mean().alias("rate"))
    judged = rows.filter(~odd).join(rates, on="category", how="left")
    auc = roc_auc(judged["churned"].to_numpy(), judged["rate"].fill_null(churned.mean()).to_numpy())
    return max(auc, 1 - auc)
