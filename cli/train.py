"""`churn train`: the training pipeline, now or only when there is a reason."""

from typing import Annotated

import typer

from churn.errors import ChurnError
from cli.options import utc_now
from cli.zen import prepare_zenml, run_here
from stacks.environment import active_settings, dbt_project, project_root


class TrainingFailed(ChurnError):
    """The training pipeline ended without registering models."""


def train(
    if_needed: Annotated[
        bool, typer.Option("--if-needed", help="Only when a trigger of the settings says so; tells why or why not.")
    ] = False,
) -> None:
    """Train, compare and register every candidate of the settings."""
    prepare_zenml(project_root(), verbosity="CRITICAL")
    settings = active_settings()
    if if_needed:
        from churn.training.triggers import decide, look
        from steps.registry import active_ledger

        known = look(
            settings.lake.url,
            active_ledger().entries(),
            settings.features,
            dbt_dir=dbt_project(),
            now=utc_now(),
        )
        need = decide(known, settings.triggers, utc_now())
        typer.echo(f"{need.decision}: {'; '.join(need.reasons)}")
        if need.decision == "wait":
            return
    from churn.training.trained import RegisteredModels
    from pipelines.training import train_churn_model

    run = run_here(train_churn_model)
    if "register" not in run.steps or run.status != "completed":
        raise TrainingFailed(f"{run.name}: ended as {run.status}; what is in production stays")
    models = run.steps["register"].outputs["registered_models"][0].load()
    assert isinstance(models, RegisteredModels)
    for model in models.models:
        typer.echo(f"version {model.version}: {model.candidate.replace('_', ' ')}")
