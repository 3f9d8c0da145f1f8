"""Small charts as inline SVG; colours are classes, so that the page decides what they look like."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from html import escape

Point = tuple[float, float]


def percent(value: float) -> str:
    """Return a share as a percentage without decimals."""
    return f"{value:.0%}"


def even_step(step: float) -> float:
    """Return the next larger step of an axis that reads well."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(nice * power for nice in (1, 2, 2.5, 4, 5, 10) if nice * power >= step * (1 - 1e-9))


def even_range(low: float, high: float, parts: int) -> tuple[Point, int]:
    """Widen a range until steps that read well divide it; returns it and their number, about `parts`."""
    step = even_step((high - low) / parts)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return (first * step, last * step), last - first


@dataclass
class Plot:
    """A chart with axes; positions are in the data's own units, ranges must not be empty."""

    x_range: Point
    y_range: Point
    x_label: str
    y_label: str
    description: str
    width: int = 420
    height: int = 300
    x_format: Callable[[float], str] = percent
    y_format: Callable[[float], str] = percent
    _marks: list[str] = field(default_factory=list)

    _LEFT, _RIGHT, _TOP, _BOTTOM = 52, 14, 12, 42

    def line(self, points: Sequence[Point], kind: str) -> None:
        """Join points."""
        path = " ".join(f"{self._x(x):.1f},{self._y(y):.1f}" for x, y in points)
        self._marks.append(f'<polyline class="{kind}" points="{path}"/>')

    def area(self, points: Sequence[Point], base: float, kind: str) -> None:
        """Fill what lies between points and a horizontal line."""
        closed = [(points[0][0], base), *points, (points[-1][0], base)]
        path = " ".join(f"{self._x(x):.1f},{self._y(y):.1f}" for x, y in closed)
        self._marks.append(f'<polygon class="{kind}" points="{path}"/>')

    def band(self, low: Sequence[Point], high: Sequence[Point], kind: str) -> None:
        """Fill what lies between two lines."""
        path = " ".join(f"{self._x(x):.1f},{self._y(y):.1f}" for x, y in [*low, *reversed(high)])
        self._marks.append(f'<polygon class="{kind}" points="{path}"/>')

    def dot(self, point: Point, kind: str, tip: str, radius: float = 4) -> None:
        """Mark one point; the tip shows when a person rests on it."""
        x, y = point
        self._marks.append(
            f'<circle class="{kind}" cx="{self._x(x):.1f}" cy="{self._y(y):.1f}" r="{radius}">'
            f"<title>{escape(tip)}</title></circle>"
        )

    def label(self, point: Point, text: str, anchor: str = "start") -> None:
        """Write beside a point."""
        x, y = point
        self._marks.append(
            f'<text class="note" x="{self._x(x):.1f}" y="{self._y(y):.1f}" text-anchor="{anchor}">{escape(text)}</text>'
        )

    def svg(self, x_ticks: int = 5, y_ticks: int = 5) -> str:
        """Return the chart with its axes, divided into equal steps."""
        right, bottom = self.width - self._RIGHT, self.height - self._BOTTOM
        parts = [
            f'<svg class="plot" viewBox="0 0 {self.width} {self.height}" role="img" '
            f'aria-label="{escape(self.description)}">'
        ]
        for step in range(y_ticks + 1):
            y = self.y_range[0] + step / y_ticks * (self.y_range[1] - self.y_range[0])
            py = self._y(y)
            parts.append(f'<line class="grid" x1="{self._LEFT}" x2="{right}" y1="{py:.1f}" y2="{py:.1f}"/>')
            parts.append(
                f'<text class="tick" x="{self._LEFT - 8}" y="{py + 4:.1f}" text-anchor="end">{self.y_format(y)}</text>'
            )
        for step in range(x_ticks + 1):
            x = self.x_range[0] + step / x_ticks * (self.x_range[1] - self.x_range[0])
            anchor = "end" if step == x_ticks else "middle"
            parts.append(
                f'<text class="tick" x="{self._x(x):.1f}" y="{bottom + 16}" text-anchor="{anchor}">'
                f"{self.x_format(x)}</text>"
            )
        middle = (self._LEFT + right) / 2
        parts.append(
            f'<text class="axis" x="{middle}" y="{self.height - 6}" text-anchor="middle">{escape(self.x_label)}</text>'
        )
        parts.append(
            f'<text class="axis" x="{-(self._TOP + bottom) / 2}" y="12" transform="rotate(-90)" '
            f'text-anchor="middle">{escape(self.y_label)}</text>'
        )
        return "".join([*parts, *self._marks, "</svg>"])

    def _x(self, x: float) -> float:
        share = (x - self.x_range[0]) / (self.x_range[1] - self.x_range[0])
        return self._LEFT + share * (self.width - self._LEFT - self._RIGHT)

    def _y(self, y: float) -> float:
        share = (y - self.y_range[0]) / (self.y_range[1] - self.y_range[0])
        return self.height - self._BOTTOM - share * (self.height - self._TOP - self._BOTTOM)


def bars(heights: Sequence[float], tips: Sequence[str], width: int = 220, height: int = 64) -> str:
    """Return a small histogram without axes."""
    most, step = max(heights, default=0) or 1, width / max(len(heights), 1)
    shapes = "".join(
        f'<rect class="bar" x="{i * step + 1:.1f}" width="{step - 2:.1f}" y="{height - value / most * height:.1f}" '
        f'height="{value / most * height:.1f}" rx="1.5"><title>{escape(tip)}</title></rect>'
        for i, (value, tip) in enumerate(zip(heights, tips, strict=True))
    )
    return f'<svg class="bars" viewBox="0 0 {width} {height}" role="img" preserveAspectRatio="none">{shapes}</svg>'


def interval(value: float, low: float, high: float, scale: Point, *, width: int = 150, height: int = 14) -> str:
    """Return a dot in its interval on a common scale."""
    start, end = scale
    span = (end - start) or 1.0

    def x(position: float) -> float:
        return 5 + min(max((position - start) / span, 0), 1) * (width - 10)

    return (
        f'<svg class="interval" viewBox="0 0 {width} {height}" width="{width}" height="{height}" aria-hidden="true">'
        f'<line class="scale" x1="5" x2="{width - 5}" y1="7" y2="7"/>'
        f'<line class="range" x1="{x(low):.1f}" x2="{x(high):.1f}" y1="7" y2="7"/>'
        f'<circle class="dot" cx="{x(value):.1f}" cy="7" r="4"/></svg>'
    )
