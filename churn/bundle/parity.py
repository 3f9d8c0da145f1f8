"""The gate: what is served must answer like what was trained, on ordinary rows and on hostile ones."""

from collections.abc import Callable, Sequence

import numpy as np
import polars as pl

from churn.bundle.errors import BundleRefused
from churn.bundle.manifest import Parity
from churn.evaluation.metrics import Floats
from churn.features.catalogue import Feature

Score = Callable[[pl.DataFrame], Floats]

NOISE = 1e-6
"""A row scored alone and in a batch may differ by this much: so close to the threshold no decision is defined."""

_NUMBERS = (None, float("inf"), float("-inf"), 3e38, -3e38, 1e-38, -1.0, 0.0, 0.1, 16_777_217.0)
_STRINGS = (None, "", "never seen", "(missing)", "ünïcödé 🙂", "x" * 2_000)
_MIXED_ROWS = 400
_PICKED = 6
"""Values of training, smallest and largest among them, that come with their neighbours in float32."""


def check_parity(
    trained: Score, served: Score, frames: Sequence[tuple[str, pl.DataFrame]], threshold: float, tolerance: float
) -> Parity:
    """Compare both on every row.

    Args:
        trained: the fitted pipeline.
        served: the ONNX model.
        frames: rows by where they come from.
        threshold: decisions may not differ, unless a score is nearer to it than the last bits of a float32.
        tolerance: largest difference of two scores.

    Raises:
        BundleRefused: names the rows, the difference and the decisions that flipped.
    """
    rows, largest = 0, 0.0
    for name, frame in frames:
        expected, actual = trained(frame), served(frame)
        difference = np.abs(expected - actual)
        worst = float(np.max(np.nan_to_num(difference, nan=np.inf), initial=0))
        if worst > tolerance:
            raise BundleRefused(
                f"{name}: ONNX differs from the fitted pipeline by up to {worst:.2g} "
                f"({int((~(difference <= tolerance)).sum())} of {frame.height} rows above {tolerance:g}); "
                "use steps that convert exactly (docs/extending.md)"
            )
        flipped = ((expected >= threshold) != (actual >= threshold)) & (np.abs(expected - threshold) > NOISE)
        if flipped.any():
            raise BundleRefused(f"{name}: ONNX decides otherwise for {int(flipped.sum())} of {frame.height} rows")
        rows += frame.height
        largest = max(largest, worst)
    return Parity(rows=rows, largest_difference=largest)


def adversarial_rows(frame: pl.DataFrame, catalogue: Sequence[Feature], seed: int) -> pl.DataFrame:
    """Return rows that hold every hostile value in every column, alone and mixed, and the bounds of training.

    Args:
        frame: training rows.
        catalogue: the features.
        seed: of the rows and mixtures.
    """
    draw = np.random.default_rng(seed)
    values = {feature.name: _hostile(frame, feature) for feature in catalogue}
    ordinary = frame.select(*values).sample(_MIXED_ROWS, with_replacement=True, seed=seed)
    alone = [
        {**ordinary.row(i % _MIXED_ROWS, named=True), name: value}
        for name, column in values.items()
        for i, value in enumerate(column)
    ]
    mixed = [
        {
            name: column[int(draw.integers(len(column)))] if draw.random() < share else row[name]
            for name, column in values.items()
        }
        for share, row in zip(draw.random(_MIXED_ROWS), ordinary.iter_rows(named=True), strict=True)
    ]
    extremes = [{name: column[i % len(column)] for name, column in values.items()} for i in range(len(_NUMBERS))]
    schema = {feature.name: feature.dtype for feature in catalogue}
    return pl.DataFrame([*alone, *mixed, *extremes], schema=schema, orient="row", strict=False)


def _hostile(frame: pl.DataFrame, feature: Feature) -> Sequence[float | str | None]:
    if feature.kind == "categorical":
        return _STRINGS
    known = frame[feature.name].cast(pl.Float32).drop_nans().drop_nulls().unique().sort().to_numpy()
    picked = known[np.linspace(0, len(known) - 1, min(len(known), _PICKED)).astype(int)]
    neighbours = [np.nextafter(picked, np.float32(side)) for side in (-np.inf, np.inf)]
    return (*_NUMBERS, *np.concatenate([picked, *neighbours]).astype(float).tolist())
