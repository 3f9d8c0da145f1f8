"""Tests of two samples, and how large the difference is."""

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_FEW = 5.0
"""Expected counts below this go together before χ² (Cochran 1954)."""


def ks_distance(reference: Floats, window: Floats) -> float:
    """Return Kolmogorov–Smirnov's D of two sorted samples, neither of them empty: the largest gap of their shares."""
    at_reference = np.arange(1, len(reference) + 1) / len(reference)
    at_window = np.arange(1, len(window) + 1) / len(window)
    # At each jump, all equal values counted: a tie is one jump.
    last_of_reference = np.flatnonzero(np.append(reference[1:] != reference[:-1], True))
    last_of_window = np.flatnonzero(np.append(window[1:] != window[:-1], True))
    here = at_reference[last_of_reference]
    there = np.searchsorted(window, reference[last_of_reference], side="right") / len(window)
    most = float(np.abs(here - there).max())
    here = at_window[last_of_window]
    there = np.searchsorted(reference, window[last_of_window], side="right") / len(reference)
    return max(most, float(np.abs(here - there).max()))


def ks_p_value(distance: float, reference: float, window: float) -> float:
    """Return the asymptotic p-value of D with Stephens' (1970) correction for small samples; ties make it larger.

    Args:
        distance: D.
        reference: effective number of values in the reference.
        window: number of values in the window.
    """
    from scipy.special import kolmogorov  # type: ignore[import-untyped]

    root = math.sqrt(reference * window / (reference + window))
    return float(kolmogorov((root + 0.12 + 0.11 / root) * distance))


def chi_square_p_value(reference: Floats, window: Floats) -> float:
    """Return the p-value of χ² of homogeneity for two lists of counts; 1 where there is nothing to compare."""
    from scipy.special import chdtrc

    both = reference + window
    total = both.sum()
    if not reference.sum() or not window.sum():
        return 1.0
    smaller = both * min(reference.sum(), window.sum()) / total
    few = smaller < _FEW
    counts = np.stack([_pooled(reference, few), _pooled(window, few)])
    counts = counts[:, counts.sum(axis=0) > 0]
    if counts.shape[1] < 2:
        return 1.0
    expected = counts.sum(axis=1, keepdims=True) * counts.sum(axis=0) / total
    return float(chdtrc(counts.shape[1] - 1, ((counts - expected) ** 2 / expected).sum()))


def share_distance(reference: Floats, window: Floats) -> float:
    """Return the share of the window that would have to change its bin (total variation distance)."""
    return float(np.abs(shares(reference) - shares(window)).sum() / 2)


def binned_ks_distance(reference: Floats, window: Floats) -> float:
    """Return D as far as counts in ordered bins show it: never larger than D of the values."""
    return float(np.abs(np.cumsum(shares(reference) - shares(window))).max())


def stability_index(reference: Floats, window: Floats) -> float:
    """Return the population stability index; half a row is added to every bin, so that none is empty."""
    p = (reference + 0.5) / (reference.sum() + 0.5 * len(reference))
    q = (window + 0.5) / (window.sum() + 0.5 * len(window))
    return float(((q - p) * np.log(q / p)).sum())


def shares(counts: Floats) -> Floats:
    """Return counts as shares; zeros where nothing was counted."""
    return counts / max(float(counts.sum()), 1.0)


def adjusted(p_values: Floats) -> Floats:
    """Return p-values that control the false discovery rate whatever their dependence (Benjamini & Yekutieli 2001).

    Features of one customer depend on one another in both directions, which Benjamini & Hochberg's milder correction
    does not cover.
    """
    count = len(p_values)
    order = np.argsort(p_values)
    harmonic = float((1 / np.arange(1, count + 1)).sum())
    raised = p_values[order] * count * harmonic / np.arange(1, count + 1)
    result = np.empty(count)
    result[order] = np.minimum(np.minimum.accumulate(raised[::-1])[::-1], 1.0)
    return result


def _pooled(counts: Floats, few: NDArray[np.bool_]) -> Floats:
    return np.append(counts[~few], counts[few].sum())
