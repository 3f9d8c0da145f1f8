"""The frames of the four splits, and the border to scikit-learn: Polars in, pandas in float32 out."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from churn.features.catalogue import Feature
from churn.training.errors import UnfitData

if TYPE_CHECKING:
    import pandas as pd

KEYS = ("cutoff", "customer_id")
LABEL = "churned"
MISSING = "(missing)"
"""What stands for an unknown category, in training and in serving."""


@dataclass(frozen=True)
class SplitFrames:
    """Rows of `customer_snapshots` by what they may be used for; `test` is looked at once, after everything else.

    Calibration may share the cutoff of selection where history is short.
    """

    train: pl.DataFrame
    selection: pl.DataFrame
    calibration: pl.DataFrame
    test: pl.DataFrame

    @property
    def named(self) -> tuple[tuple[str, pl.DataFrame], ...]:
        """The splits in order of time, with their names."""
        return (
            ("train", self.train),
            ("selection", self.selection),
            ("calibration", self.calibration),
            ("test", self.test),
        )


def check(frames: SplitFrames, catalogue: Sequence[Feature], min_class_rows: int) -> None:
    """Refuse frames that cannot make an honest model.

    Raises:
        UnfitData: names the split, what is wrong with it and what to do.
    """
    if not catalogue:
        raise UnfitData("no features: the catalogue is empty; describe them in customer_snapshots.yml")
    for split, frame in frames.named:
        _check_columns(split, frame, catalogue)
        _check_rows(split, frame, min_class_rows)
    _check_order(frames)


def _check_columns(split: str, frame: pl.DataFrame, catalogue: Sequence[Feature]) -> None:
    wanted = [*KEYS, LABEL, *(feature.name for feature in catalogue)]
    if missing := [name for name in wanted if name not in frame.columns]:
        raise UnfitData(f"{split}: columns {', '.join(missing)} are missing; build the features again")
    for feature in catalogue:
        dtype = frame.schema[feature.name]
        fits = dtype.is_numeric() if feature.kind == "numeric" else dtype in (pl.String, pl.Null)
        if not fits and dtype != pl.Null:
            raise UnfitData(f"{split}: {feature.name} is {dtype}, but the catalogue says {feature.kind}; mend one")


def _check_rows(split: str, frame: pl.DataFrame, min_class_rows: int) -> None:
    if frame.is_empty():
        raise UnfitData(f"{split}: no rows; take earlier cutoffs or a larger active window (settings: features)")
    if nulls := frame[LABEL].null_count():
        raise UnfitData(f"{split}: {nulls} rows have no label yet; only mature cutoffs may be in a split")
    if repeated := frame.height - frame.select(KEYS).n_unique():
        raise UnfitData(f"{split}: {repeated} rows repeat a customer and cutoff; build the features again")
    churned = int(frame[LABEL].sum())
    if min(churned, frame.height - churned) < min_class_rows:
        raise UnfitData(
            f"{split}: {churned} of {frame.height} customers churned, and both sides need at least {min_class_rows}; "
            "bring more customers, or change the horizon (settings: features.horizon_days, "
            "training.quality.min_class_rows)"
        )


def _check_order(frames: SplitFrames) -> None:
    for (earlier, before), (later, after) in pairwise(frames.named):
        shared = (earlier, later) == ("selection", "calibration") and set(before["cutoff"]) == set(after["cutoff"])
        if not shared and before["cutoff"].max() >= after["cutoff"].min():  # type: ignore[operator]
            raise UnfitData(f"{later}: its cutoffs do not all lie after those of {earlier}; split by time")


def features_of(frame: pl.DataFrame, catalogue: Sequence[Feature]) -> "pd.DataFrame":
    """Return the columns a model sees, in the catalogue's order: float32, and strings without nulls."""
    import pandas as pd

    return pd.DataFrame(columns_of(frame, catalogue))


def columns_of(frame: pl.DataFrame, catalogue: Sequence[Feature]) -> dict[str, NDArray[np.generic]]:
    """Return what a model sees, one array a feature: float32 (null is NaN), or strings (null is `MISSING`)."""
    return {
        feature.name: frame[feature.name].cast(pl.Float32).fill_null(float("nan")).to_numpy()
        if feature.kind == "numeric"
        else frame[feature.name].cast(pl.String).fill_null(MISSING).to_numpy().astype(object)
        for feature in catalogue
    }


def labels_of(frame: pl.DataFrame) -> NDArray[np.bool_]:
    """Return who churned."""
    return frame[LABEL].cast(pl.Boolean).to_numpy()
