"""Options and arguments that several commands share."""

from datetime import datetime
from typing import Annotated

import typer

from churn.hours import parse_moment
from churn.settings import Environment, Settings, load_settings
from stacks.environment import project_clock, project_root

EnvironmentOption = Annotated[
    Environment,
    typer.Option("--environment", "-e", envvar="CHURN_ENVIRONMENT", help="Whose settings: configs/ENVIRONMENT.yaml."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


def settings_of(environment: Environment) -> Settings:
    """Read the settings of an environment."""
    return load_settings(environment, project_root())


def moment(text: str) -> datetime:
    """Read an ISO 8601 time; a wrong one is wrong usage."""
    try:
        return parse_moment(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no ISO 8601 time, such as 2026-03-01T10:00") from None


def warn_of_the_past() -> None:
    """Say on standard error when the project lives in the past, where nothing of today has come yet."""
    clock = project_clock()
    if clock.behind():
        typer.secho(
            f"it is {clock.now():%Y-%m-%d %H:%M} UTC in this project: make demo goes on from there, without "
            f"{clock.file} it is today",
            fg=typer.colors.YELLOW,
            err=True,
        )


def utc_now() -> datetime:
    """The project's clock."""
    return project_clock().now()
