"""The charts of a model card."""

from collections.abc import Sequence
from datetime import date, timedelta
from math import ceil, floor, log10

import numpy as np
import polars as pl

from churn.bundle.manifest import Lineage
from churn.bundle.plot import Plot, bars, percent
from churn.evaluation.report import ModelReport
from churn.features.catalogue import Feature

_HISTOGRAM_BINS = 16
_SHOWN_RECALL = 0.01
"""Below this, precision is that of a handful of contacts and jumps between 0 and 1."""


def roc(model: ModelReport) -> str:
    """Return the ROC curve above the diagonal of chance."""
    plot = Plot((0, 1), (0, 1), "loyal customers contacted", "leaving customers found", "ROC curve")
    points = list(zip(model.roc.x, model.roc.y, strict=True))
    plot.line([(0, 0), (1, 1)], "chance")
    plot.area(points, 0, "fill")
    plot.line(points, "main")
    return plot.svg()


def precision_recall(model: ModelReport, base_rate: float) -> str:
    """Return precision by recall above the share of customers who churned."""
    plot = Plot((0, 1), (0, 1), "leaving customers found (recall)", "contacts that were right", "Precision by recall")
    plot.line([(0, base_rate), (1, base_rate)], "chance")
    points = zip(model.precision_recall.x, model.precision_recall.y, strict=True)
    plot.line([point for point in points if point[0] >= _SHOWN_RECALL], "main")
    plot.label((0.02, base_rate - 0.05 if base_rate > 0.1 else base_rate + 0.02), f"everybody: {percent(base_rate)}")
    return plot.svg()


def calibration(model: ModelReport) -> str:
    """Return what came by what was predicted; on the diagonal, a score is a probability."""
    plot = Plot((0, 1), (0, 1), "predicted", "observed", "Calibration")
    plot.line([(0, 0), (1, 1)], "chance")
    plot.line([(part.predicted, part.observed) for part in model.calibration], "main")
    for part in model.calibration:
        tip = f"{part.rows} customers: predicted {part.predicted:.1%}, observed {part.observed:.1%}"
        plot.dot((part.predicted, part.observed), "dot", tip)
    return plot.svg()


def profit(model: ModelReport) -> str:
    """Return the profit of contacting more and more customers, and where the threshold stands."""
    curve = model.profit
    values = [point.profit_per_customer for point in curve.points]
    low, high = min(0.0, *values), max(0.0, *values)
    step = _round_step((high - low or 1.0) / 4)
    bottom, top = step * floor(low / step - 0.25), step * ceil(high / step + 0.25)
    plot = Plot(
        (0, 1),
        (bottom, top),
        "customers contacted, highest scores first",
        "profit per customer",
        "Profit curve",
        width=860,
        y_format=lambda value: f"{value:.3g}" if abs(value) > step / 2 else "0",
    )
    points = [(point.contacted, point.profit_per_customer) for point in curve.points]
    plot.area(points, 0, "fill")
    plot.line([(0, 0), (1, 0)], "zero")
    plot.line(points, "main")
    chosen = (curve.chosen.contacted, curve.chosen.profit_per_customer)
    tip = f"threshold {model.threshold:.3f}: {chosen[0]:.0%} contacted, {chosen[1]:.2f} per customer"
    plot.line([(chosen[0], bottom), chosen], "guide")
    plot.dot(chosen, "chosen", tip, radius=6)
    beside = chosen[0] < 0.6
    plot.label(
        (chosen[0] + (0.015 if beside else -0.015), bottom + (top - bottom) * 0.04), tip, "start" if beside else "end"
    )
    return plot.svg(y_ticks=round((top - bottom) / step))


def _round_step(rough: float) -> float:
    """Return 1, 2 or 5 times a power of ten, not below `rough`."""
    power = 10.0 ** floor(log10(rough))
    return next(power * digit for digit in (1, 2, 5, 10) if power * digit >= rough * (1 - 1e-9))


def timeline(lineage: Lineage) -> str:
    """Return the cutoffs of every split, each with the window its labels look at."""
    cutoffs, horizon = lineage.cutoffs, timedelta(days=lineage.feature_settings.horizon_days)
    rows: list[tuple[str, Sequence[date]]] = [
        ("train", cutoffs.train),
        ("selection", [cutoffs.selection]),
        ("calibration", [cutoffs.calibration]),
        ("test", [cutoffs.test]),
    ]
    first, last = min(cutoffs.train), cutoffs.test + horizon
    width, left, line = 860, 100, 30

    def x(day: date) -> float:
        return left + (day - first) / (last - first) * (width - left - 20)

    parts = [f'<svg class="timeline" viewBox="0 0 {width} {line * len(rows) + 26}" role="img" aria-label="Cutoffs">']
    for i, (name, days) in enumerate(rows):
        y = i * line + 6
        parts.append(f'<text class="axis" x="{left - 12}" y="{y + 13}" text-anchor="end">{name}</text>')
        for day in days:
            parts.append(
                f'<rect class="window {name}" x="{x(day):.1f}" y="{y}" width="{x(day + horizon) - x(day):.1f}" '
                f'height="18" rx="4"><title>{name}: cutoff {day}, labels until {day + horizon}</title></rect>'
                f'<line class="cutoff" x1="{x(day):.1f}" x2="{x(day):.1f}" y1="{y - 2}" y2="{y + 20}"/>'
            )
    bottom = line * len(rows) + 18
    for day in dict.fromkeys([first, cutoffs.selection, cutoffs.calibration, cutoffs.test, last]):
        anchor = "start" if day == first else "end" if day == last else "middle"
        parts.append(f'<text class="tick" x="{x(day):.1f}" y="{bottom}" text-anchor="{anchor}">{day}</text>')
    return "".join([*parts, "</svg>"])


def distribution(reference: pl.DataFrame, feature: Feature) -> tuple[str, str]:
    """Return a histogram of a feature in training, and its range in words."""
    if feature.kind == "categorical":
        known = reference[feature.name].fill_null("unknown")
        ranked = known.value_counts().sort("count", feature.name, descending=True)
        shares = (ranked["count"] / reference.height).to_list()[:_HISTOGRAM_BINS]
        names = ranked[feature.name].to_list()
        tips = [f"{name}: {share:.1%}" for name, share in zip(names, shares, strict=False)]
        return bars(shares, tips), f"{ranked.height} values, mostly {names[0]}"
    values = reference[feature.name].cast(pl.Float64).drop_nulls().to_numpy()
    values = values[np.isfinite(values)]
    unknown = 1 - len(values) / max(reference.height, 1)
    if not len(values):
        return bars([], []), "never known"
    low, high = np.quantile(values, [0.01, 0.99])
    counts, edges = np.histogram(np.clip(values, low, high), bins=_HISTOGRAM_BINS)
    tips = [
        f"{start:.3g} to {end:.3g}: {count / len(values):.1%}"
        for count, start, end in zip(counts, edges, edges[1:], strict=False)
    ]
    words = f"{low:.3g} to {high:.3g}" + (f", {unknown:.0%} unknown" if unknown >= 0.005 else "")
    return bars([float(count) for count in counts], tips), words
