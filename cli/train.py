"""`churn train`: the training pipeline, now or only when there is a reason."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from churn.errors import ChurnError
from cli.every import go_on, period_of
from cli.options import utc_now
from cli.zen import prepare_zenml, run_here
from stacks.environment import active_settings, dbt_project, project_root

if TYPE_CHECKING:
    from churn.settings import Settings

LAG = timedelta(minutes=40)
"""Past each period, so that the hour before has been ingested and looked at."""


class TrainingFailed(ChurnError):
    """The training pipeline ended without registering models."""


def train(
    if_needed: Annotated[
        bool, typer.Option("--if-needed", help="Only when a trigger of the settings says so; tells why or why not.")
    ] = False,
    every: Annotated[
        str | None, typer.Option(help="With --if-needed: go on, forty minutes past every such period: 1d, 1h.")
    ] = None,
) -> None:
    """Train, compare and register every candidate of the settings."""
    if every is not None and not if_needed:
        raise typer.BadParameter("--every goes with --if-needed: the same data again give the same models")
    period = period_of(every) if every else None
    prepare_zenml(project_root(), verbosity="CRITICAL")
    settings = active_settings()
    if period:
        go_on(lambda now: _train_if_needed(settings, now), name="train", period=period, lag=LAG)
    elif if_needed:
        _train_if_needed(settings, utc_now())
    else:
        _train()


def _train_if_needed(settings: "Settings", now: datetime) -> None:
    from churn.training.triggers import decide, look
    from steps.registry import active_ledger

    known = look(settings.lake.url, active_ledger().entries(), settings.features, dbt_dir=dbt_project(), now=now)
    need = decide(known, settings.triggers, now)
    typer.echo(f"{need.decision}: {'; '.join(need.reasons)}")
    if need.decision == "train":
        _train()


def _train() -> None:
    from churn.training.trained import RegisteredModels
    from pipelines.training import train_churn_model

    run = run_here(train_churn_model)
    if "register" not in run.steps or run.status != "completed":
        raise TrainingFailed(f"{run.name}: ended as {run.status}; what is in production stays")
    models = run.steps["register"].outputs["registered_models"][0].load()
    assert isinstance(models, RegisteredModels)
    for model in models.models:
        typer.echo(f"version {model.version}: {model.candidate.replace('_', ' ')}")
