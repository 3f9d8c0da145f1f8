"""ZenML as `churn` uses it: its store lies below the project unless the environment says otherwise."""

import atexit
import fcntl
import gc
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from cli.first_use import use_store
from stacks.environment import CHECKOUT

if TYPE_CHECKING:
    from uuid import UUID

    from zenml.models import PipelineRunResponse

QUIET = {
    "ZENML_ANALYTICS_OPT_IN": "false",
    "ZENML_ENABLE_RICH_TRACEBACK": "false",
    "ZENML_LOGGING_COLORS_DISABLED": "true",
    "ZENML_AUTO_OPEN_DASHBOARD": "false",
}

_YOUNG = 10_000
"""New objects after which Python looks for cycles among them."""


def zenml_home(root: Path) -> Path:
    """Return the folder of ZenML's configuration and local store: ZENML_CONFIG_PATH, else below the project."""
    return Path(os.environ.get("ZENML_CONFIG_PATH") or root / ".churn" / "zenml")


def prepare_zenml(root: Path, *, verbosity: Literal["WARN", "CRITICAL"] = "WARN") -> None:
    """Set ZenML up before its first import; what the environment already says stays.

    Args:
        root: the project.
        verbosity: what ZenML logs; CRITICAL where we report failures ourselves, without a traceback.
    """
    _look_less_for_cycles()
    home = zenml_home(root)
    home.mkdir(parents=True, exist_ok=True)
    for name, value in {**QUIET, "ZENML_CONFIG_PATH": str(home), "ZENML_LOGGING_VERBOSITY": verbosity}.items():
        os.environ.setdefault(name, value)
    from zenml.utils.source_utils import set_custom_source_root

    set_custom_source_root(str(CHECKOUT))
    _look_at_packages_once()


@cache
def _look_less_for_cycles() -> None:
    """Spare Python from going through all that ZenML, MLflow and scikit-learn hold, again and again.

    With its own 700 new objects a full look, of a third of a second, comes every few seconds. At the end it would spend
    seconds on taking apart what the system gets back at once.
    """
    gc.set_threshold(_YOUNG)
    atexit.register(gc.freeze)


@cache
def _look_at_packages_once() -> None:
    """Let ZenML find out once in a process what is installed.

    It would check the requirements of every integration before every run, and before every run and every step start a
    process that lists all packages.
    """
    from zenml.environment import Environment
    from zenml.integrations.registry import IntegrationRegistry

    for place, name in ((Environment, "get_python_packages"), (IntegrationRegistry, "activate_integrations")):
        setattr(place, name, cache(getattr(place, name)))


def _open_store() -> object:
    from zenml.client import Client

    return Client().zen_store


@contextmanager
def alone_with_store(root: Path, make: Callable[[], object] = _open_store) -> Iterator[None]:
    """Keep other processes that ask for this too out: two first uses of ZenML's store at once break its migration.

    The store is whole when the body begins: a first use that was cut short is begun anew.

    Args:
        root: the project.
        make: opens the store, making it where there is none.
    """
    home = zenml_home(root)
    home.mkdir(parents=True, exist_ok=True)
    with (home / ".first-use.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        use_store(home, make)
        yield


def use_stack(name: str) -> None:
    """Make a stack the active one for this process alone.

    Raises:
        StackError: it is not registered.
    """
    from zenml.client import Client

    from stacks.spec import StackError

    try:
        stack: UUID = Client().get_stack(name, allow_name_prefix_match=False).id
    except KeyError:
        raise StackError(f"the stack {name} is not registered; register it with: churn stack register {name}") from None
    os.environ["ZENML_ACTIVE_STACK_ID"] = str(stack)


def run_here(start: "Callable[[], PipelineRunResponse | None]") -> "PipelineRunResponse":
    """Run a pipeline in this process and return its run.

    Raises:
        StackError: the active stack only submits runs.
        KeyboardInterrupt: a person or the system stopped it; ZenML says so in a way of its own.
    """
    from zenml.exceptions import RunInterruptedException

    from stacks.spec import StackError

    try:
        run = start()
    except RunInterruptedException:
        raise KeyboardInterrupt from None
    if run is None:
        raise StackError("the active stack only submits runs; use its schedule, or zenml pipeline run")
    return run
