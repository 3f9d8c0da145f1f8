"""One look at the test cutoff: every model beside the recency baseline and the model in production."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field

from churn.evaluation.bootstrap import Draws, Estimate, bootstrap
from churn.evaluation.costs import Costs
from churn.evaluation.curves import CalibrationBin, Curve, calibration_bins, pr_curve, roc_curve
from churn.evaluation.metrics import Floats, Metric, Scored
from churn.evaluation.profit import ProfitCurve, profit_curve
from churn.evaluation.segments import Segment, by_band, by_value, each_group
from churn.evaluation.settings import EvaluationSettings
from churn.frozen import Frozen

Estimates = dict[Metric, Estimate]
COMPARED: tuple[Metric, ...] = ("roc_auc", "pr_auc", "brier", "profit_per_customer")
"""Metrics whose difference between two models is reported with an interval of its own."""


class SegmentReport(Frozen):
    """A group of customers: a value of a category, or a band of tenure."""

    column: str
    value: str
    rows: int
    churned: int
    metrics: Estimates


class ModelReport(Frozen):
    """One model on the test cutoff."""

    name: str
    threshold: float
    metrics: Estimates
    over_recency: Estimates = Field(description="differences to the recency baseline, on the same resamples")
    over_incumbent: Estimates | None = Field(description="differences to the model in production, if there is one")
    roc: Curve
    precision_recall: Curve
    calibration: tuple[CalibrationBin, ...]
    profit: ProfitCurve
    segments: tuple[SegmentReport, ...]


class BaselineReport(Frozen):
    """A model to compare with."""

    name: str
    metrics: Estimates


class EvaluationReport(Frozen):
    """Every model on the same rows, resampled alike."""

    cutoffs: tuple[date, ...]
    rows: int
    customers: int
    churned: int
    costs: Costs
    confidence: float
    rounds: int
    models: dict[str, ModelReport]
    recency: BaselineReport
    incumbent: BaselineReport | None
    incumbent_left_out: str | None = Field(
        default=None, description="why the model in production does not stand here, although there is one"
    )

    @property
    def base_rate(self) -> float:
        """Share of the rows that churned; always predicting it has a Brier score of base * (1 - base)."""
        return self.churned / self.rows


@dataclass(frozen=True)
class Predictions:
    """What a model says about the test rows, in their order, and from which score on it would act."""

    name: str
    scores: Floats
    threshold: float


def evaluate(
    test: pl.DataFrame,
    models: Sequence[Predictions],
    *,
    recency: Predictions,
    incumbent: Predictions | None,
    costs: Costs,
    settings: EvaluationSettings,
    seed: int,
) -> EvaluationReport:
    """Judge every model on the test rows, overall and by segment.

    Args:
        test: rows of `customer_snapshots` with their labels.
        models: the candidates.
        recency: the baseline that knows recency only.
        incumbent: the model in production, where there is one.
        costs: what a contact costs and brings.
        settings: rounds, confidence and segments.
        seed: of the resamples, which are the same for every model.
    """
    churned = test["churned"].cast(pl.Boolean).to_numpy()

    def draws(said: Sequence[Predictions], rows: NDArray[np.bool_]) -> tuple[Draws, ...]:
        scored = [Scored(churned, one.scores, one.threshold).where(rows) for one in said]
        customers = test["customer_id"].filter(pl.Series(rows))
        return bootstrap(scored, customers, costs, settings.bootstrap_rounds, seed)

    def minus(mine: Draws, other: Draws) -> Estimates:
        return mine.minus(other, COMPARED, settings.confidence)

    everybody = np.ones(len(churned), dtype=np.bool_)
    of_recency, *rest = draws([recency, *models, *([incumbent] if incumbent else [])], everybody)
    of_incumbent = rest[len(models)] if incumbent else None
    of_models = tuple(rest[: len(models)])
    segments = list(each_group(segments_of(test, settings), of_models, lambda rows: draws(models, rows)))
    reports = {}
    for number, (said, mine) in enumerate(zip(models, of_models, strict=True)):
        scored = Scored(churned, said.scores, said.threshold)
        reports[said.name] = ModelReport(
            name=said.name,
            threshold=said.threshold,
            metrics=mine.estimates(settings.confidence),
            over_recency=minus(mine, of_recency),
            over_incumbent=minus(mine, of_incumbent) if of_incumbent else None,
            roc=roc_curve(scored),
            precision_recall=pr_curve(scored),
            calibration=calibration_bins(scored),
            profit=profit_curve(scored, costs),
            segments=tuple(
                SegmentReport(
                    column=column,
                    value=value,
                    rows=int(rows.sum()),
                    churned=int(churned[rows].sum()),
                    metrics=drawn[number].estimates(settings.confidence),
                )
                for (column, value, rows), drawn in segments
            ),
        )
    return EvaluationReport(
        cutoffs=tuple(test["cutoff"].unique().sort()),
        rows=test.height,
        customers=test["customer_id"].n_unique(),
        churned=int(churned.sum()),
        costs=costs,
        confidence=settings.confidence,
        rounds=settings.bootstrap_rounds,
        models=reports,
        recency=BaselineReport(name=recency.name, metrics=of_recency.estimates(settings.confidence)),
        incumbent=BaselineReport(name=incumbent.name, metrics=of_incumbent.estimates(settings.confidence))
        if incumbent and of_incumbent
        else None,
    )


def segments_of(test: pl.DataFrame, settings: EvaluationSettings) -> Iterator[Segment]:
    """Return the segments of the settings whose columns the frame has."""
    for column in settings.segment_columns:
        if column in test.columns:
            yield from by_value(test, column, settings.segment_values)
    if settings.tenure_column in test.columns:
        yield from by_band(test, settings.tenure_column, settings.tenure_bands)
