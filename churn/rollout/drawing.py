"""Evidence and bounds of a rollout as lines over its requests."""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

from churn.bundle.plot import Plot, even_step
from churn.rollout.history import Look
from churn.rollout.metrics import Metric
from churn.rollout.verdict import MetricEvidence

_LOWEST, _HIGHEST = -2.0, 6.0
_MARGINS_SHOWN = 4
_TICKS = 5


def evidence_chart(looks: Sequence[Look], metrics: Mapping[Metric, MetricEvidence], *, fast: bool) -> str:
    """Draw the odds that the canary is worse, each metric's in its share of alpha, so that one line is for all.

    Args:
        looks: what was seen, in its order.
        metrics: how each is judged.
        fast: whether a line above the limit takes the canary back only with a difference beyond its margin.
    """
    weighted = {
        name: [(look.bounds[name].log_e + math.log(metric.share)) / math.log(10) for look in looks]
        for name, metric in metrics.items()
    }
    first = next(iter(metrics.values()))
    limit = (first.needed + math.log(first.share)) / math.log(10)
    every = [odds for path in weighted.values() for odds in path]
    low = max(math.floor(min([*every, -1.0])), _LOWEST)
    high = min(math.ceil(max([*every, limit + 1])), max(_HIGHEST, math.ceil(limit) + 1))
    plot = _plot(looks, (low, high), "odds that the canary is worse, over requests", 860, 330)
    plot.y_format = lambda tens: odds(tens * math.log(10), 3)
    _steps(plot, looks, (low, high))
    plot.line([(0, limit), (plot.x_range[1], limit)], "limit")
    ends = "rolled back, if beyond its margin too" if fast else "rolled back"
    plot.label((plot.x_range[1] * 0.005, limit + (high - low) * 0.02), f"{odds(limit * math.log(10))}: {ends}")
    for name, path in weighted.items():
        points = [(0.0, min(max(math.log10(metrics[name].share), low), high))]
        points += [(look.requests, min(max(value, low), high)) for look, value in zip(looks, path, strict=True)]
        plot.line(points, f"odds {name}")
        plot.dot(points[-1], f"now {name}", f"{name.replace('_', ' ')}: {odds(looks[-1].bounds[name].log_e)}", 3.5)
    return plot.svg(x_ticks=_TICKS, y_ticks=round(high - low))


def bounds_chart(looks: Sequence[Look], upper: MetricEvidence, lower: MetricEvidence | None) -> str:
    """Draw the difference of the tracks in the band that holds it at all looks together, beside its limits."""
    limits = [upper.margin, *([lower.margin] if lower else [])]
    seen = [look.bounds[upper.metric] for look in looks]
    last = [value for value in (seen[-1].estimate, seen[-1].low, seen[-1].high) if value is not None]
    centre = sum(limits) / len(limits) if lower else 0.0
    reach = max(abs(limit - centre) for limit in limits) * _MARGINS_SHOWN or 0.02
    reach = 2 * even_step(max([reach, *(1.1 * abs(value - centre) for value in last)]) / 2)
    low, high = max(centre - reach, -1.0), min(centre + reach, 1.0)
    plot = _plot(looks, (low, high), f"{upper.outcome}: canary minus stable, over requests", 420, 260)
    plot.y_format = lambda value: signed(value, 3 if reach < 0.1 else 2)
    _steps(plot, looks, (low, high), words=False)
    known = [(look.requests, bound) for look, bound in zip(looks, seen, strict=True) if bound.estimate is not None]
    bands = [(x, bound.low, bound.high) for x, bound in known if bound.low is not None and bound.high is not None]
    if bands:
        plot.band(
            [(x, min(max(end, low), high)) for x, end, _ in bands],
            [(x, min(max(end, low), high)) for x, _, end in bands],
            "fill",
        )
    plot.line([(0, 0.0), (plot.x_range[1], 0.0)], "zero")
    for limit in limits:
        plot.line([(0, limit), (plot.x_range[1], limit)], "limit")
    points = [(x, min(max(bound.estimate or 0.0, low), high)) for x, bound in known]
    plot.line(points, "main")
    if points:
        plot.dot(points[-1], "now main", f"{signed(known[-1][1].estimate)}", 3.5)
    return plot.svg(x_ticks=_TICKS, y_ticks=4)


def odds(log_odds: float, whole: float = 6) -> str:
    """Write odds, given as their natural logarithm; from 10 to the power of `whole` on as such a power."""
    tens = log_odds / math.log(10)
    if abs(tens) < 1e-9:
        return "1 : 1"
    shown = (
        f"10{_power(round(abs(tens)))}" if abs(tens) >= whole else f"{10 ** abs(tens):,.{0 if abs(tens) >= 1 else 1}f}"
    )
    shown = shown.removesuffix(".0")
    return f"{shown} : 1" if tens > 0 else f"1 : {shown}"


def signed(value: float | None, digits: int = 4) -> str:
    """Write a difference with its sign."""
    if value is not None and abs(value) < 0.5 * 10**-digits:
        return "0"
    return "–" if value is None else f"{value:+z.{digits}f}".replace("-", "−")


def _power(exponent: int) -> str:
    return str(exponent).translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"))


def _plot(looks: Sequence[Look], y_range: tuple[float, float], description: str, width: int, height: int) -> Plot:
    end = even_step(max(look.requests for look in looks) / _TICKS) * _TICKS
    return Plot((0.0, end), y_range, "requests", "", description, width=width, height=height, x_format=_requests)


def _requests(count: float) -> str:
    return f"{count / 1_000:,.{1 if count % 1_000 and count < 10_000 else 0}f}k" if count >= 1_000 else f"{count:.0f}"


def _steps(plot: Plot, looks: Sequence[Look], y_range: tuple[float, float], words: bool = True) -> None:
    """Mark where the weight changed."""
    begins = [(0, looks[0].weight)]
    begins += [(now.requests, after.weight) for now, after in pairwise(looks) if now.weight != after.weight]
    span = y_range[1] - y_range[0]
    for i, (begin, weight) in enumerate(begins):
        if i:
            plot.line([(begin, y_range[0]), (begin, y_range[1])], "step")
        if words:
            end = begins[i + 1][0] if i + 1 < len(begins) else looks[-1].requests
            plot.label(((begin + end) / 2, y_range[1] - span * 0.07), f"{weight} %", "middle")
