"""`churn score`: every active customer scored by the version in production."""

from datetime import date
from typing import Annotated

import typer

from churn.errors import ChurnError
from cli.options import JsonOption
from cli.zen import prepare_zenml, run_here
from stacks.environment import active_settings, project_root


class ScoringFailed(ChurnError):
    """The scoring pipeline ended without scores."""


def score(
    at: Annotated[
        str | None,
        typer.Option(metavar="DATE", help="A date that the feature table has; by default its newest, with all data."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Score all active customers, list whom to contact, and publish their features for the prediction API."""
    if at is not None:
        _check_date(at)
    prepare_zenml(project_root(), verbosity="CRITICAL")
    active_settings()
    from churn.scoring.report import ScoreReport
    from pipelines.scoring import score_customers
    from steps.score import to_score_with

    to_score_with()  # before the features, which may take minutes
    run = run_here(lambda: score_customers(at=at))
    if "score" not in run.steps or run.status != "completed":
        raise ScoringFailed(f"{run.name}: ended as {run.status}; earlier scores stay")
    report = run.steps["score"].outputs["scores"][0].load()
    assert isinstance(report, ScoreReport)
    if as_json:
        typer.echo(report.model_dump_json(indent=1))
        return
    lineage, contacts = report.lineage, report.contacts
    known = "" if report.table.changed else ", as they were already"
    typer.echo(
        f"{report.customers:,} customers scored by version {lineage.model_version} as of {lineage.scoring_date}{known}"
    )
    typer.echo(
        f"{contacts.customers:,} to be contacted, expected profit {report.expected_profit:,.0f}, "
        f"{report.reached_churners:,.0f} of {report.expected_churners:,.0f} expected to leave among them"
    )
    typer.echo(f"table scores, version {report.table.version}: {report.table.uri}")
    typer.echo(f"whom to contact: {contacts.csv}")


def _check_date(text: str) -> None:
    try:
        date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no ISO 8601 date, such as 2026-03-01") from None
