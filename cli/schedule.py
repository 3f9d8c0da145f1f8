"""Pipelines handed to an orchestrator that runs them by itself."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import typer

from churn.errors import ChurnError

if TYPE_CHECKING:
    from zenml.pipelines.pipeline_definition import Pipeline


class NoSchedules(ChurnError):
    """The active stack's orchestrator cannot run a pipeline by itself."""


def hand_over(scheduled: "Callable[[], Pipeline]", *, when: str, instead: str) -> None:
    """Submit a pipeline with its schedule to the active stack's orchestrator.

    Args:
        scheduled: gives the pipeline.
        when: its schedule, in words.
        instead: the command for a machine without schedules.

    Raises:
        NoSchedules: the orchestrator has none.
    """
    from zenml.client import Client

    stack = Client().active_stack
    if not stack.orchestrator.config.is_schedulable:
        raise NoSchedules(
            f"the orchestrator {stack.orchestrator.name} of the stack {stack.name} has no schedules; "
            f"run `{instead}` under a service manager instead, or activate a stack that has them"
        )
    scheduled()()
    typer.echo(f"scheduled on {stack.orchestrator.name}, {when}")
