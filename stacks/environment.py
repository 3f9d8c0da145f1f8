"""Which environment a run belongs to, and where the project is."""

import os
from pathlib import Path

from churn.clock import ProjectClock
from churn.settings import Settings, load_settings
from stacks.spec import StackError

CHECKOUT = Path(__file__).resolve().parents[1]
"""The folder this code runs from; `dbt/` and `requirements/` lie in it."""


def project_root() -> Path:
    """Return the folder that holds `configs/` and `.churn/`: CHURN_ROOT, or else the checkout this code runs from."""
    named = os.environ.get("CHURN_ROOT")
    return Path(named).resolve() if named else CHECKOUT


def dbt_project() -> Path:
    """Return the dbt project that describes and makes the features."""
    return CHECKOUT / "dbt"


def work_folder() -> Path:
    """Return where steps keep temporary files that may be large."""
    return project_root() / ".churn" / "work"


def customers_folder() -> Path:
    """Return where the customer snapshots of the active environment are published, and its servers look for them."""
    return project_root() / ".churn" / active_environment() / "serving" / "customers"


def project_clock() -> ProjectClock:
    """Return the clock that dates what the project decides and predicts."""
    return ProjectClock(project_root() / ".churn" / "clock")


def active_environment() -> str:
    """Return the label `environment` of the active stack; call it inside steps, never at composition time.

    Raises:
        StackError: the stack has no such label, or the ZenML server does not answer.
    """
    from zenml.client import Client

    try:
        stack = Client().active_stack_model
    except (RuntimeError, ConnectionError) as error:
        if "onnect" not in str(error):
            raise
        raise StackError(
            f"the ZenML server does not answer ({str(error).partition(': HTTP')[0]}); start it, or log in to the one "
            "you mean: zenml login"
        ) from None
    environment = (stack.labels or {}).get("environment")
    if not environment:
        raise StackError(
            f"the active stack {stack.name} has no label `environment`, so no settings can be chosen; "
            "register one that has, and activate it: churn stack register dev; zenml stack set dev"
        )
    return str(environment)


def active_settings() -> Settings:
    """Read the settings of the active stack's environment."""
    return load_settings(active_environment(), project_root())
