"""Figures held against a limit; one that is missing or no number is never within it."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from math import isfinite, nan
from typing import Literal

from churn.promotion.verdict import Check, CheckName

DAY = timedelta(days=1)
Limited = Literal["at least", "at most"]


def told(name: CheckName, passed: bool, says: str) -> Check:
    """Return a check that rests on no number."""
    return Check(name=name, passed=passed, figures={}, limit=None, says=says)


def limited(
    name: CheckName, figures: Mapping[str, float | None], kind: Limited, limit: float, digits: str, of: str = ""
) -> Check:
    """Hold every figure against the limit; the words are about the worst.

    Args:
        name: of the check.
        figures: by name, or by whom they stand for where `of` says what they are.
        kind: which side of the limit is allowed, the limit included.
        limit: what is allowed.
        digits: how figures are written.
        of: what all figures are.
    """
    sign = 1 if kind == "at least" else -1
    # What is no number comes first, because nothing is worse.
    room = {key: _number(figure) * sign - limit * sign for key, figure in figures.items()}
    worst = min(room, key=lambda key: (isfinite(room[key]), room[key]))
    what = f"the {of} is {{}} for {worst}" if of else f"the {worst} is {{}}"
    needed = "is needed" if kind == "at least" else "is allowed"
    return Check(
        name=name,
        passed=all(isfinite(left) and left >= 0 for left in room.values()),
        figures=dict(figures),
        limit=limit,
        says=f"{what.format(shown(figures[worst], digits))}, and {kind} {shown(limit, digits)} {needed}",
    )


def aged(
    name: CheckName, what: str, then: datetime | None, other: str, until: datetime | None, most: float | None
) -> Check:
    """Hold the days from `then` to `until` against a limit, where there is one; they never run backwards."""
    days = (until - then) / DAY if then is not None and until is not None else None
    if days is None:
        says = f"nobody can tell how far {what} lies behind {other}"
    elif days < 0:
        says = f"{what} lies {-days:.1f} days ahead of {other}, so a clock or a lake has gone back"
    else:
        says = f"{what} lies {days:.1f} days behind {other}, and "
        says += "any age is allowed" if most is None else f"at most {most:g} days are allowed"
    passed = days is not None and days >= 0 and (most is None or days <= most)
    return Check(name=name, passed=passed, figures={"days": days}, limit=most, says=says)


def shown(figure: float | None, digits: str) -> str:
    """Write a figure with a real minus; `digits` is a format."""
    return "missing" if not isfinite(_number(figure)) else f"{figure:{digits}}".replace("-", "−")


def _number(figure: float | None) -> float:
    return nan if figure is None else figure
