"""`churn stack`: bring ZenML in line with the stack files."""

from typing import Annotated

import typer

app = typer.Typer(help="ZenML stacks as the files in stacks/ describe them.", no_args_is_help=True)


@app.callback()
def stacks() -> None:
    """Keep `register` a command of its own."""


@app.command()
def register(
    name: Annotated[str, typer.Argument(metavar="dev|staging|prod", help="A file in stacks/.")],
    activate: Annotated[bool, typer.Option("--activate", help="Make it the active stack as well.")] = False,
) -> None:
    """Create or update a stack, its components and flavors; running it again changes nothing."""
    from cli.zen import alone_with_store, prepare_zenml, zenml_home
    from stacks.environment import project_root
    from stacks.spec import load_stack

    load_stack(name)
    prepare_zenml(project_root())
    with alone_with_store(project_root()):
        from zenml.client import Client

        from stacks.register import register_stack

        change = register_stack(name)
    for component, what in change.components.items():
        typer.echo(f"{what:<10} {component}")
    typer.echo(f"{change.itself:<10} stack {name} in {zenml_home(project_root())}")
    for secret in change.missing_secrets:
        group, _, key = secret.partition(".")
        hint = f"zenml secret create {group} --{key}=…"
        typer.secho(f"secret {secret} does not exist; create it: {hint}", fg=typer.colors.YELLOW, err=True)
    if activate:
        Client().activate_stack(name)
        typer.echo(f"active     {name}")
