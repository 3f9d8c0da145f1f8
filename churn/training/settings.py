"""What training tries, how long it searches and what a decision costs."""

from typing import Annotated

from pydantic import Field, StringConstraints

from churn.evaluation.costs import Costs
from churn.evaluation.settings import EvaluationSettings
from churn.frozen import Frozen

CandidateName = Annotated[str, StringConstraints(pattern=r"^[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)*$")]
"""A module of `churn.training.candidates`, or, with dots, of any package."""

BASELINE = "logistic_regression"


class LogisticRegressionSettings(Frozen):
    """The linear baseline."""

    inverse_regularisation: tuple[float, ...] = Field(
        default=(0.001, 0.01, 0.1, 1.0), min_length=1, description="values of C that are tried"
    )
    kept_features: tuple[float, ...] = Field(
        default=(0.5, 1.0), min_length=1, description="shares of the columns, best first, that are tried"
    )


class RandomForestSettings(Frozen):
    """Averaged deep trees."""

    trees: int = Field(default=120, ge=1, description="trees of the final forest")
    search_trees: int = Field(default=20, ge=1, description="trees of a forest while searching")
    leaf_shares: tuple[float, ...] = Field(
        default=(0.002, 0.008), min_length=1, description="smallest leaves that are tried, as shares of a tree's rows"
    )
    column_shares: tuple[float, ...] = Field(
        default=(0.1, 0.25), min_length=1, description="shares of the columns looked at in a split that are tried"
    )
    rows_per_tree: int = Field(default=15_000, ge=10, description="most rows drawn for one tree")
    kept_features: float = Field(default=0.9, gt=0, le=1, description="share of the columns kept, best first")


class HistGradientBoostingSettings(Frozen):
    """Boosted small trees."""

    trials: int = Field(default=3, ge=1, description="settings tried, drawn with the seed")
    iterations: int = Field(default=300, ge=1, description="most trees of a model")
    patience: int = Field(default=10, ge=1, description="trees without a gain on the selection cutoff before it stops")


class QualitySettings(Frozen):
    """What data must look like before a model is fitted to it."""

    min_class_rows: int = Field(default=30, ge=1, description="fewest rows of either class in every split")
    max_feature_auc: float = Field(
        default=0.97,
        gt=0.5,
        le=1,
        description="ROC-AUC of one feature alone from which on it is taken for a leak from the future",
    )


class TrainingSettings(Frozen):
    """From split frames to a bundle."""

    seed: int = Field(default=20260101, ge=0, description="the one source of randomness")
    candidates: tuple[CandidateName, ...] = Field(
        default=(BASELINE, "random_forest", "hist_gradient_boosting"),
        min_length=1,
        description="what is trained and compared; simpler ones first, they win ties",
    )
    tie: float = Field(
        default=0.002, ge=0, description="ROC-AUC a later candidate must be ahead of an earlier one to be preferred"
    )
    logistic_regression: LogisticRegressionSettings = Field(default_factory=LogisticRegressionSettings)
    random_forest: RandomForestSettings = Field(default_factory=RandomForestSettings)
    hist_gradient_boosting: HistGradientBoostingSettings = Field(default_factory=HistGradientBoostingSettings)
    costs: Costs = Field(default_factory=Costs)
    quality: QualitySettings = Field(default_factory=QualitySettings)
    evaluation: EvaluationSettings = Field(default_factory=EvaluationSettings)
    parity_tolerance: float = Field(
        default=1e-5, gt=0, lt=1e-2, description="largest difference between the ONNX model and the fitted pipeline"
    )
    reference_rows: int = Field(
        default=10_000, ge=1, description="training rows kept with the model, to compare live traffic with"
    )
    transformed_rows: int = Field(
        default=1_000, ge=1, description="of these, how many are also kept as the classifier sees them"
    )
    golden_rows: int = Field(default=16, ge=1, description="rows whose predictions are kept to check an installation")


class TriggerSettings(Frozen):
    """When `churn train --if-needed` trains; any one reason is enough."""

    every_hours: float | None = Field(
        default=24,
        gt=0,
        description="hours after the last training, if anything was ingested since; null: never",
    )
    min_new_labels: int | None = Field(
        default=10_000,
        ge=1,
        description="customers whose outcome has become known since the last training's test cutoff; null: never",
    )
    on_drift: bool = Field(default=True, description="when drift was recorded since the last training")
