"""From the lake to registered versions of the model."""

from zenml import pipeline
from zenml.enums import ExecutionMode

from steps.build_features import build_features
from steps.register import register
from steps.train import train


@pipeline(enable_cache=False, execution_mode=ExecutionMode.FAIL_FAST)
def train_churn_model(snapshot: str | None = None) -> None:
    """Build features, train and compare every candidate, and register each as a version.

    Args:
        snapshot: id of the `data_snapshot` artifact to learn from; by default the lake as it is now.
    """
    features = build_features(snapshot)
    trained = train(features)
    register(trained)
