"""The page of a scoring: how customers score, what contacting them brings, and who comes first; nothing fetched."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from churn.bundle import card
from churn.bundle.plot import Plot, even_range
from churn.scoring.report import ScoreReport


def scores_page(report: ScoreReport) -> str:
    """Return the page."""
    folders = [Path(__file__).parent, Path(card.__file__).parent]
    environment = Environment(
        loader=FileSystemLoader(folders), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters.update(svg=Markup, whole="{:,.0f}".format, percent="{:.0%}".format)
    most = max((topic.customers for topic in report.topics), default=1)
    return environment.get_template("scores.html.j2").render(
        report=report,
        lineage=report.lineage,
        share=report.contacts.customers / max(report.customers, 1),
        reach=report.reached_churners / max(report.expected_churners, 1e-9),
        distribution=_distribution(report),
        profit=_profit(report),
        topics=[(topic, topic.customers / max(most, 1)) for topic in report.topics],
    )


def _distribution(report: ScoreReport) -> str:
    """Draw the histogram; who is contacted stands out."""
    bins = len(report.histogram)
    (_, top), steps = even_range(0, max([*report.histogram, 1]) * 1.08, 4)
    plot = Plot((0, 1), (0, top), "probability of churn", "customers", "customers by score")
    plot.y_format = _short
    for at, count in enumerate(report.histogram):
        left, right = at / bins, (at + 1) / bins
        if count:
            kind = "contact" if (left + right) / 2 >= report.threshold else "leave"
            plot.area([(left + 0.1 / bins, count), (right - 0.1 / bins, count)], 0, f"column {kind}")
    plot.line([(report.threshold, 0), (report.threshold, top)], "guide")
    room, side = (-0.012, "end") if report.threshold > 0.6 else (0.012, "start")
    plot.label((report.threshold + room, top * 0.95), f"contacted from {report.threshold:.0%} on", side)
    return plot.svg(y_ticks=steps)


def _profit(report: ScoreReport) -> str:
    """Draw expected profit over the number of customers contacted."""
    points = [(float(count), value) for count, value in report.profit]
    values = [value for _, value in points]
    low, high = min([*values, 0.0]), max([*values, 1.0])
    limits, steps = even_range(low, high, 4)
    across, columns = even_range(0, max(report.customers, 1), 4)
    plot = Plot(across, limits, "customers contacted", "expected profit", "expected profit by contacts")
    plot.x_format, plot.y_format = "{:,.0f}".format, _short
    if limits[0] < 0:
        plot.line([(0, 0.0), (across[1], 0.0)], "zero")
    if len(points) > 1:
        plot.line(points, "main")
    chosen = (float(report.contacts.customers), report.expected_profit)
    plot.dot(chosen, "chosen", f"{report.contacts.customers:,} contacted: {report.expected_profit:,.0f}", 6)
    return plot.svg(x_ticks=columns, y_ticks=steps)


def _short(value: float) -> str:
    """Return a number that fits beside an axis."""
    for unit, sign in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= unit:
            return f"{value / unit:,.1f}".removesuffix(".0").replace("-", "−") + sign
    return f"{value:,.0f}".replace("-", "−")
