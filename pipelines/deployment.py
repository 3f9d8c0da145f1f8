"""From an approved version to production: a plan, and a rollout that ends well or is taken back."""

from zenml import pipeline
from zenml.enums import ExecutionMode

from steps.plan_rollout import plan_rollout
from steps.roll_out import roll_out


@pipeline(enable_cache=False, execution_mode=ExecutionMode.FAIL_FAST)
def deploy_model(version: int | str) -> None:
    """Roll a version out that was approved for production.

    Args:
        version: its number in the Model Control Plane.
    """
    roll_out(plan_rollout(version=str(version)))
