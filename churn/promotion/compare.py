"""Both models, the baselines and every segment on the same held-out rows, under the same resamples of customers."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from churn.bundle.bundle import Bundle
from churn.bundle.checked import GOLDEN_TOLERANCE
from churn.errors import ChurnError
from churn.evaluation.bootstrap import Draws, bootstrap
from churn.evaluation.costs import Costs
from churn.evaluation.metrics import Floats, Metric, Scored, roc_auc
from churn.evaluation.report import segments_of
from churn.evaluation.segments import Segment, each_group
from churn.features.tables import CUSTOMER, CUTOFF, LABEL
from churn.promotion.evidence import (
    Baselines,
    Comparison,
    Difference,
    Differences,
    Figures,
    Quality,
    QualityDifference,
    Sample,
    SegmentEvidence,
)
from churn.promotion.settings import PromotionSettings

_QUALITY: tuple[Metric, ...] = ("roc_auc", "brier")
_DECIDING: tuple[Metric, ...] = (*_QUALITY, "profit_per_customer")
_SAME_BRIER = 2 * GOLDEN_TOLERANCE
"""Scores that differ by so much as two installations may move the Brier score by no more than twice of it."""


class UnfitEvidence(ChurnError):
    """The held-out rows, or what a model says about them, are not what a decision may rest on."""


def compare(candidate: Bundle, incumbent: Bundle | None, rows: pl.DataFrame, settings: PromotionSettings) -> Comparison:
    """Score the rows with both models and measure everything the gate looks at.

    Costs and segments are those of the candidate's training, for both models.

    Args:
        candidate: the model that asks.
        incumbent: the model it would replace, if there is one.
        rows: the candidate's test cutoff, one row a customer, with labels.
        settings: rounds, seed and confidence of the resamples.

    Raises:
        UnfitEvidence: the rows are not those the candidate was judged on, or a score is no probability.
        UnfitInput: a model cannot score the rows.
    """
    check_rows(rows, candidate)
    costs, evaluation = candidate.manifest.settings.costs, candidate.manifest.settings.evaluation
    churned = rows[LABEL].cast(pl.Boolean).to_numpy()
    measured = _Measured(settings, costs)
    models = {"candidate": candidate} | ({"incumbent": incumbent} if incumbent else {})
    scored = {
        name: Scored(churned, _scores(name, model, rows), model.manifest.threshold) for name, model in models.items()
    }
    base_rate = float(churned.mean())
    baselines = {
        "recency": Scored(churned, _by_recency(churned, rows, evaluation.recency_column), np.inf),
        "nobody": Scored(churned, np.full(rows.height, base_rate), np.inf),
    }
    draws = measured.draws({**scored, **baselines}, rows[CUSTOMER], _DECIDING)

    def group(chosen: NDArray[np.bool_]) -> dict[str, Draws]:
        people = rows[CUSTOMER].filter(pl.Series(chosen))
        return measured.draws({name: one.where(chosen) for name, one in scored.items()}, people, _QUALITY)

    _check_brier(candidate, draws["candidate"])
    return Comparison(
        sample=Sample(
            cutoff=candidate.manifest.lineage.cutoffs.test,
            rows=rows.height,
            churned=int(churned.sum()),
            costs=costs,
            confidence=settings.confidence,
            rounds=settings.rounds,
            seed=settings.seed,
        ),
        candidate=measured.figures(draws["candidate"]),
        incumbent=measured.figures(draws["incumbent"]) if incumbent else None,
        over_incumbent=measured.differences(draws["candidate"], draws["incumbent"]) if incumbent else None,
        baselines=measured.baselines(draws["candidate"], recency=draws["recency"], nobody=draws["nobody"]),
        segments=tuple(
            measured.segment(segment, churned, found)
            for segment, found in each_group(segments_of(rows, evaluation), draws, group)
        ),
    )


def check_rows(rows: pl.DataFrame, candidate: Bundle) -> None:
    """Refuse rows that are not the candidate's test cutoff, with a label for each of its customers.

    Raises:
        UnfitEvidence: says what is wrong with them.
    """
    cutoff, expected = candidate.manifest.lineage.cutoffs.test, candidate.manifest.rows["test"]
    if missing := [name for name in (CUSTOMER, CUTOFF, LABEL) if name not in rows.columns]:
        raise UnfitEvidence(f"the rows lack {', '.join(missing)}; build the features again")
    if rows.is_empty() or set(rows[CUTOFF]) != {cutoff}:
        raise UnfitEvidence(f"the rows are not those of the cutoff {cutoff}; restore the feature table from a copy")
    if rows.height != expected:
        raise UnfitEvidence(
            f"the cutoff {cutoff} has {rows.height} rows, but {expected} when the candidate was trained"
        )
    if nulls := rows[LABEL].null_count():
        raise UnfitEvidence(f"{nulls} of {rows.height} rows have no label yet; only a mature cutoff decides")
    if repeated := rows.height - rows[CUSTOMER].n_unique():
        raise UnfitEvidence(f"{repeated} rows repeat a customer; build the features again")


def _check_brier(candidate: Bundle, draws: Draws) -> None:
    recorded, found = candidate.manifest.metrics["brier"].value, draws.value["brier"]
    if recorded is None or not abs(found - recorded) <= _SAME_BRIER:
        raise UnfitEvidence(
            f"the candidate's Brier score is {found:.6f} on these rows and was recorded as {recorded}; the rows or "
            "their labels were altered, restore them from a copy"
        )


def _scores(name: str, model: Bundle, rows: pl.DataFrame) -> Floats:
    scores = model.predict(rows)
    if wrong := int((~((scores >= 0) & (scores <= 1))).sum()):
        raise UnfitEvidence(f"the {name} gives {wrong} of {rows.height} rows a score that is no probability")
    return scores


def _by_recency(churned: NDArray[np.bool_], rows: pl.DataFrame, column: str) -> Floats:
    """Return a score that rises with the days since the last event, or falls where that ranks better.

    The trained baseline learns the direction; taking the better one here is the harder baseline. Unknown counts as
    longest ago.
    """
    if column not in rows.columns:
        raise UnfitEvidence(f"the rows lack {column}, which the recency baseline needs")
    days = rows[column].cast(pl.Float64).fill_nan(None).rank("dense").fill_null(rows.height)
    ranks = (days / rows.height).to_numpy()
    return ranks if roc_auc(churned, ranks) >= 0.5 else 1 - ranks


@dataclass(frozen=True)
class _Measured:
    settings: PromotionSettings
    costs: Costs

    def draws(
        self, scored: Mapping[str, Scored], customers: pl.Series, metrics: Collection[Metric]
    ) -> dict[str, Draws]:
        rounds, seed = self.settings.rounds, self.settings.seed
        return dict(
            zip(scored, bootstrap(list(scored.values()), customers, self.costs, rounds, seed, metrics), strict=True)
        )

    def quality(self, draws: Draws) -> Quality:
        estimates = draws.estimates(self.settings.confidence)
        return Quality(roc_auc=estimates["roc_auc"], brier=estimates["brier"])

    def figures(self, draws: Draws) -> Figures:
        profit = draws.estimates(self.settings.confidence)["profit_per_customer"]
        return Figures(**dict(self.quality(draws)), profit_per_customer=profit)

    def difference(self, mine: Draws, other: Draws, metric: Metric) -> Difference:
        ahead = other.share_above(mine, metric) if metric == "brier" else mine.share_above(other, metric)
        [estimate] = mine.minus(other, [metric], self.settings.confidence).values()
        return Difference(**dict(estimate), ahead=ahead)

    def quality_difference(self, mine: Draws, other: Draws) -> QualityDifference:
        return QualityDifference(
            roc_auc=self.difference(mine, other, "roc_auc"), brier=self.difference(mine, other, "brier")
        )

    def differences(self, mine: Draws, other: Draws) -> Differences:
        profit = self.difference(mine, other, "profit_per_customer")
        return Differences(**dict(self.quality_difference(mine, other)), profit_per_customer=profit)

    def baselines(self, mine: Draws, *, recency: Draws, nobody: Draws) -> Baselines:
        return Baselines(
            recency=self.quality(recency).roc_auc,
            base_rate=self.quality(nobody).brier,
            over_recency=self.difference(mine, recency, "roc_auc"),
            over_base_rate=self.difference(mine, nobody, "brier"),
            over_nobody=self.difference(mine, nobody, "profit_per_customer"),
        )

    def segment(self, segment: Segment, churned: NDArray[np.bool_], draws: Mapping[str, Draws]) -> SegmentEvidence:
        column, value, chosen = segment
        mine, other = draws["candidate"], draws.get("incumbent")
        return SegmentEvidence(
            column=column,
            value=value,
            rows=int(chosen.sum()),
            churned=int(churned[chosen].sum()),
            candidate=self.quality(mine),
            incumbent=self.quality(other) if other else None,
            over_incumbent=self.quality_difference(mine, other) if other else None,
        )
