"""Everything the gate looks at: a value that can be stored, named by its digest and judged again."""

import hashlib
import json
from datetime import date

from pydantic import AwareDatetime, Field

from churn.bundle.manifest import Parity
from churn.evaluation.bootstrap import Estimate
from churn.evaluation.costs import Costs
from churn.frozen import Frozen
from churn.promotion.stage import Target


class Difference(Estimate):
    """Candidate minus the other on the same resamples; `ahead` is the share of them in which the candidate is better.

    A resample in which the figure is undefined is none in which it is better.
    """

    ahead: float | None


class Quality(Frozen):
    """ROC-AUC and Brier score of one model."""

    roc_auc: Estimate
    brier: Estimate


class Figures(Quality):
    """One model on the rows that decide."""

    profit_per_customer: Estimate


class QualityDifference(Frozen):
    """How two models differ in quality; a lower Brier score is better."""

    roc_auc: Difference
    brier: Difference


class Differences(QualityDifference):
    """How two models differ on the rows that decide."""

    profit_per_customer: Difference


class Facts(Frozen):
    """What a bundle says of itself."""

    name: str
    test_cutoff: date
    last_label: date = Field(description="end of the last label window it was fitted, chosen or calibrated on")
    horizon_days: int
    threshold: float
    parity: Parity


class Contestant(Frozen):
    """A version that takes part; without facts, its bundle could not be read."""

    version: str
    digest: str = Field(description="as it was recorded when the version was made")
    facts: Facts | None


class Sample(Frozen):
    """The rows that decide, and how they were resampled."""

    cutoff: date
    rows: int
    churned: int
    costs: Costs
    confidence: float
    rounds: int
    seed: int

    @property
    def base_rate(self) -> float:
        """Share of the rows that churned."""
        return self.churned / self.rows


class Baselines(Frozen):
    """What the candidate must beat even where no model stands before it."""

    recency: Estimate = Field(description="ROC-AUC of sorting customers by how long ago they were last seen")
    base_rate: Estimate = Field(description="Brier score of giving everybody the share that churned")
    over_recency: Difference = Field(description="ROC-AUC")
    over_base_rate: Difference = Field(description="Brier score")
    over_nobody: Difference = Field(description="profit per customer, against contacting nobody")


class SegmentEvidence(Frozen):
    """Both models on a group of customers."""

    column: str
    value: str
    rows: int
    churned: int
    candidate: Quality
    incumbent: Quality | None
    over_incumbent: QualityDifference | None

    @property
    def name(self) -> str:
        """Column and value."""
        return f"{self.column} = {self.value}"


class Comparison(Frozen):
    """Both models, the baselines and every segment on the same rows and the same resamples."""

    sample: Sample
    candidate: Figures
    incumbent: Figures | None
    over_incumbent: Differences | None
    baselines: Baselines
    segments: tuple[SegmentEvidence, ...]


class Evidence(Frozen):
    """What speaks for and against a promotion at `now`; whatever could not be read is a fault, in words."""

    target: Target
    now: AwareDatetime
    candidate: Contestant
    incumbent: Contestant | None
    comparison: Comparison | None
    watermark: AwareDatetime | None = Field(description="when the newest row the candidate knows became available")
    lake_watermark: AwareDatetime | None = Field(description="when the newest row of the lake became available")
    decided: str | None = Field(description="the earlier decision that used this cutoff, if there is one")
    faults: tuple[str, ...]

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON; the order of the segments does not count."""
        document = self.model_dump(mode="json")
        if self.comparison:
            document["comparison"]["segments"].sort(key=lambda segment: (segment["column"], segment["value"]))
        return hashlib.sha256(json.dumps(document, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
