"""From the lake to scores of all active customers, and to what the prediction API knows of them."""

from zenml import pipeline
from zenml.enums import ExecutionMode

from steps.build_features import build_features
from steps.publish_customers import publish_customers
from steps.score import score


@pipeline(enable_cache=False, execution_mode=ExecutionMode.FAIL_FAST)
def score_customers(at: str | None = None) -> None:
    """Bring the features up to date, publish them for the prediction API, and score with the version in production.

    Args:
        at: date of another cutoff that is in the feature table; the newest one by default.
    """
    features = build_features(purpose="scoring")
    publish_customers(features)
    score(features, at=at)
