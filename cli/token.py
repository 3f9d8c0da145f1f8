"""`churn token`: the token of a person, for who holds the key."""

import sys
from typing import Annotated

import typer

from churn.errors import ChurnError
from cli.options import EnvironmentOption, settings_of


class UnknownSubject(ChurnError):
    """The person asked for has never been ingested."""


def token(
    identifier: Annotated[
        str,
        typer.Argument(metavar="ID", help="The raw id; `-` reads it from standard input, out of the shell history."),
    ],
    kind: Annotated[str, typer.Option(help="What the id names: customer, or another personal field.")] = "customer",
    environment: EnvironmentOption = "dev",
) -> None:
    """Print the token that stands for a customer in the lake and in the API; nothing else is printed."""
    from churn.privacy.subjects import SubjectMap
    from stacks.environment import project_root
    from vault.datakey import key_source

    value = sys.stdin.readline().strip() if identifier == "-" else identifier
    settings = settings_of(environment)
    key = key_source(settings.vault, project_root()).data_key()
    found = SubjectMap(settings.lake.url, key).lookup(value, kind)
    if found is None:
        raise UnknownSubject(
            f"no {kind} with this id in {settings.lake.url}; ids are compared as the source writes them"
        )
    typer.echo(found)
