"""A difference as an interval between what is allowed and what is not."""

from html import escape

from churn.promotion.evidence import Difference
from churn.promotion.limits import Limited, shown

_WIDTH, _HEIGHT, _SIDE = 320, 58, 14
_LINE = 22


def difference(found: Difference, digits: str, limit: float | None, allowed: Limited, words: str) -> str:
    """Return the interval on a scale that holds zero and the limit; the allowed side is shaded.

    Args:
        found: what is drawn; nothing where it is undefined.
        digits: how figures are written.
        limit: of the lower end, or of the upper one; none where the interval is not held against a limit.
        allowed: the side of the limit.
        words: for those who cannot see it.
    """
    value, low, high = found.value, found.low, found.high
    if value is None or low is None or high is None:
        return ""
    marks = [low, high, 0.0, *([] if limit is None else [limit])]
    span = (max(marks) - min(marks)) or 1.0
    start, end = min(marks) - span / 8, max(marks) + span / 8

    def x(position: float) -> float:
        return _SIDE + (position - start) / (end - start) * (_WIDTH - 2 * _SIDE)

    parts = [
        f'<svg class="difference" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(words)}">',
        f'<line class="scale" x1="{_SIDE}" x2="{_WIDTH - _SIDE}" y1="{_LINE}" y2="{_LINE}"/>',
    ]
    if limit is not None:
        left, right = (x(limit), x(end)) if allowed == "at least" else (x(start), x(limit))
        parts.append(f'<rect class="allowed" x="{left:.1f}" y="4" width="{right - left:.1f}" height="36"/>')
        parts.append(f'<line class="limit" x1="{x(limit):.1f}" x2="{x(limit):.1f}" y1="4" y2="40"/>')
    parts.append(f'<line class="nought" x1="{x(0):.1f}" x2="{x(0):.1f}" y1="10" y2="34"/>')
    parts.append(f'<line class="range" x1="{x(low):.1f}" x2="{x(high):.1f}" y1="{_LINE}" y2="{_LINE}"/>')
    parts.append(f'<circle class="dot" cx="{x(value):.1f}" cy="{_LINE}" r="5"/>')
    close = limit is not None and abs(x(limit) - x(0)) < 60
    if limit is None or not close:
        parts.append(_label(x(0), "0"))
    if limit is not None:
        parts.append(_label(x(limit), f"limit {shown(limit, digits)}"))
    return "".join([*parts, "</svg>"])


def _label(x: float, text: str) -> str:
    anchor = "start" if x < _WIDTH / 4 else "end" if x > _WIDTH * 3 / 4 else "middle"
    return f'<text class="tick" x="{x:.1f}" y="54" text-anchor="{anchor}">{escape(text)}</text>'
