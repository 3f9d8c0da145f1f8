"""What acting from a score on brings, and the score that brings most."""

import numpy as np
from numpy.typing import NDArray

from churn.evaluation.costs import Costs
from churn.evaluation.metrics import Floats, Scored
from churn.frozen import Frozen

_POINTS = 101


class ProfitPoint(Frozen):
    """Contacting this share of the customers, highest scores first, brings this profit for each customer scored."""

    contacted: float
    profit_per_customer: float


class ProfitCurve(Frozen):
    """Profit by share contacted, where the threshold stands on it, and what contacting everybody would bring."""

    points: tuple[ProfitPoint, ...]
    chosen: ProfitPoint
    everybody: float


def best_threshold(churned: NDArray[np.bool_], score: Floats, costs: Costs, others: Floats | None = None) -> float:
    """Return the threshold that would have brought most, midway between two neighbouring scores.

    Any threshold between the two scores brings the same; the widest gap that `others` leave there is taken, so that
    the last bit of a score rarely decides. Where several cuts tie, fewer contacts win.

    Args:
        churned: outcomes of the rows the threshold is chosen on.
        score: their scores, 0 to 1.
        costs: what a contact costs and brings.
        others: scores of further rows, whose outcomes do not count.
    """
    ranked, profit = _by_contacts(churned, score, costs)
    cuts = np.flatnonzero(np.concatenate([[True], np.diff(ranked) < 0, [True]]))
    best = int(cuts[np.argmax(profit[cuts])])
    first, last = float(ranked[0]), float(ranked[-1])
    upper = ranked[best - 1] if best else (1.0 if first < 1 else first + 1)
    lower = ranked[best] if best < len(ranked) else (0.0 if last > 0 else last - 1)
    known = np.asarray([], dtype=np.float64) if others is None else others[(others > lower) & (others < upper)]
    stops = np.unique(np.concatenate([[lower, upper], known]))
    widest = int(np.argmax(np.diff(stops)))
    return float(stops[widest] + (stops[widest + 1] - stops[widest]) / 2)


def profit_curve(scored: Scored, costs: Costs) -> ProfitCurve:
    """Return the curve at equal steps of contacted customers."""
    _, profit = _by_contacts(scored.churned, scored.score, costs)
    rows = len(scored.score)
    steps = np.unique(np.linspace(0, rows, min(_POINTS, rows + 1)).astype(np.intp))
    acted = int((scored.score >= scored.threshold).sum())

    def point(contacts: int) -> ProfitPoint:
        return ProfitPoint(contacted=contacts / rows, profit_per_customer=float(profit[contacts]) / rows)

    return ProfitCurve(
        points=tuple(point(int(contacts)) for contacts in steps),
        chosen=point(acted),
        everybody=float(profit[-1]) / rows,
    )


def _by_contacts(churned: NDArray[np.bool_], score: Floats, costs: Costs) -> tuple[Floats, Floats]:
    """Return the scores, highest first, and the profit of contacting none, the first, the first two, ..."""
    order = np.argsort(-score, kind="stable")
    gains = costs.reward * churned[order] - costs.contact_cost
    return score[order], np.concatenate([[0.0], np.cumsum(gains)])
