"""Evidence made by hand, for the default settings of the gate, and ways to change it."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

from pydantic import BaseModel

from churn.bundle.manifest import Parity
from churn.evaluation.bootstrap import Estimate
from churn.evaluation.costs import Costs
from churn.promotion.evidence import (
    Baselines,
    Comparison,
    Contestant,
    Difference,
    Differences,
    Evidence,
    Facts,
    Figures,
    Quality,
    QualityDifference,
    Sample,
    SegmentEvidence,
)
from churn.promotion.settings import PromotionSettings

NOW = datetime(2027, 4, 1, 9, tzinfo=UTC)
CUTOFF = date(2026, 12, 27)


def changed(model: Any, path: str, value: object) -> Any:
    """Return a copy of a nested model with another value at `path`, such as `comparison.sample.rows`."""
    first, _, rest = path.partition(".")
    if isinstance(model, tuple):
        inner = value if not rest else changed(model[int(first)], rest, value)
        return (*model[: int(first)], inner, *model[int(first) + 1 :])
    return model.model_copy(update={first: changed(getattr(model, first), rest, value) if rest else value})


def leaves(model: object, path: str = "") -> dict[str, object]:
    """Return every number, date and gap of a nested model by its path."""
    if isinstance(model, BaseModel):
        parts = {name: getattr(model, name) for name in type(model).model_fields}
    elif isinstance(model, tuple):
        parts = {str(index): part for index, part in enumerate(model)}
    else:
        return {path: model}
    return {
        leaf: value for name, part in parts.items() for leaf, value in leaves(part, f"{path}.{name}".strip(".")).items()
    }


def around(value: float, half: float) -> Estimate:
    return Estimate(value=value, low=value - half, high=value + half)


def difference(value: float, half: float, ahead: float) -> Difference:
    return Difference(value=value, low=value - half, high=value + half, ahead=ahead)


def contestant(version: str, digest: str, months_earlier: int) -> Contestant:
    cutoff = CUTOFF - months_earlier * timedelta(days=30)
    return Contestant(
        version=version,
        digest=digest * 32,
        facts=Facts(
            name="logistic_regression",
            test_cutoff=cutoff,
            last_label=cutoff,
            horizon_days=90,
            threshold=0.2,
            parity=Parity(rows=9_000, largest_difference=3e-7),
        ),
    )


def segment(column: str, value: str, rows: int) -> SegmentEvidence:
    return SegmentEvidence(
        column=column,
        value=value,
        rows=rows,
        churned=rows // 3,
        candidate=Quality(roc_auc=around(0.76, 0.03), brier=around(0.17, 0.01)),
        incumbent=Quality(roc_auc=around(0.75, 0.03), brier=around(0.175, 0.01)),
        over_incumbent=QualityDifference(roc_auc=difference(0.01, 0.02, 0.8), brier=difference(-0.005, 0.01, 0.8)),
    )


def good_evidence() -> Evidence:
    """Evidence that speaks for the candidate; the segments of `country` hold one that is too small to be judged."""
    limits = PromotionSettings()
    return Evidence(
        target="production",
        now=NOW,
        candidate=contestant("8", "ab", 0),
        incumbent=contestant("5", "cd", 1),
        comparison=Comparison(
            sample=Sample(
                cutoff=CUTOFF,
                rows=3_000,
                churned=1_000,
                costs=Costs(),
                confidence=limits.confidence,
                rounds=limits.rounds,
                seed=limits.seed,
            ),
            candidate=Figures(
                roc_auc=around(0.77, 0.02), brier=around(0.17, 0.005), profit_per_customer=around(0.9, 0.1)
            ),
            incumbent=Figures(
                roc_auc=around(0.76, 0.02), brier=around(0.173, 0.005), profit_per_customer=around(0.85, 0.1)
            ),
            over_incumbent=Differences(
                roc_auc=difference(0.01, 0.008, 0.98),
                brier=difference(-0.003, 0.004, 0.9),
                profit_per_customer=difference(0.05, 0.04, 0.97),
            ),
            baselines=Baselines(
                recency=around(0.68, 0.02),
                base_rate=around(0.222, 0.004),
                over_recency=difference(0.09, 0.02, 1.0),
                over_base_rate=difference(-0.052, 0.005, 1.0),
                over_nobody=difference(0.9, 0.1, 1.0),
            ),
            segments=(
                segment("tenure_days", "below 90", 1_200),
                segment("tenure_days", "from 90", 1_800),
                segment("country", "DE", 2_900),
                segment("country", "MT", 100),
            ),
        ),
        watermark=NOW - timedelta(days=2),
        lake_watermark=NOW - timedelta(days=1),
        decided=None,
        faults=(),
    )


def first_evidence() -> Evidence:
    """The same, where no model stands at the target."""
    alone = changed(changed(good_evidence(), "incumbent", None), "comparison.incumbent", None)
    for index in range(4):
        for name in ("incumbent", "over_incumbent"):
            alone = changed(alone, f"comparison.segments.{index}.{name}", None)
    found = changed(alone, "comparison.over_incumbent", None)
    assert isinstance(found, Evidence)
    return found
