"""`churn promote` and `churn versions`: the models, and the way of one of them to production."""

from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import JsonOption, utc_now
from cli.zen import prepare_zenml, run_here
from stacks.environment import active_settings, project_root

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zenml.models import PipelineRunResponse

    from churn.ledger.entry import Entry

AGREED = ("promoted", "approved")
FIGURES = {"roc_auc": "ROC-AUC", "brier": "Brier", "profit_per_customer": "profit a customer"}


class ToStage(StrEnum):
    """Where a version can be promoted to."""

    staging = "staging"
    production = "production"


def promote(
    version: Annotated[
        str, typer.Argument(metavar="VERSION", help="Number of the version; churn versions lists them.")
    ],
    to: Annotated[ToStage, typer.Option("--to", help="The stage it should go to.")] = ToStage.staging,
    ask: Annotated[bool, typer.Option("--ask", help="Ask a person also where the settings do not.")] = False,
) -> None:
    """Run the promotion pipeline: evidence, gate, a person where the settings ask for one, and the change of stage.

    For production a version is approved, and churn deploy rolls it out. Exits with 1 when the answer is no. A request
    that nobody answers in time leaves the run paused.
    """
    prepare_zenml(project_root(), verbosity="CRITICAL")
    active_settings()
    from pipelines.promotion import promote_model
    from steps.registry import active_registry

    active_registry().version(version)  # A mistyped number ends here, not as a failed run that alerts people.
    run = run_here(lambda: promote_model(version=version, to_stage=to.value, ask=ask))
    outcome = outcome_of(run)
    typer.echo(_said(version, to.value, outcome, run.name))
    if outcome not in AGREED:
        raise typer.Exit(1)


def outcome_of(run: "PipelineRunResponse") -> str:
    """Return what became of a promotion: `promoted`, `approved`, `rejected`, `paused`, or the run's status."""
    from zenml.client import Client

    run = Client().get_pipeline_run(run.id)
    ended = [step for name, step in run.steps.items() if name.startswith("change_stage") and step.outputs]
    if run.status == "completed" and ended:
        return str(ended[-1].outputs["outcome"][0].load())
    return str(run.status)


def _said(version: str, stage: str, outcome: str, run: str) -> str:
    if outcome == "promoted":
        return f"version {version} is in {stage} now"
    if outcome == "approved":
        return f"version {version} is approved for {stage}; to roll it out: churn deploy {version}"
    if outcome == "rejected":
        return f"version {version} was rejected by a person; stages stay as they were"
    if outcome == "paused":
        return (
            f"nobody answered in time, the request is closed; to ask again, answer what is left over and resume:\n"
            f"  zenml pipeline runs wait-conditions resolve --run {run} --interactive\n"
            f"  zenml pipeline runs resume {run}"
        )
    return f"the run ended as {outcome}; stages stay as they were"


def versions(as_json: JsonOption = False) -> None:
    """List every version of the model: stage, data, commit, figures with their intervals, age."""
    prepare_zenml(project_root(), verbosity="CRITICAL")
    from churn.ledger.standing import standing
    from steps.registry import active_ledger, active_registry

    entries = active_ledger().entries()
    registry, stages = active_registry(), standing(entries).stages
    known = {entry.version: entry for entry in entries if entry.decision == "registered" and entry.version}
    rows = [
        (number, stages[number], known[number], registry.facts(number))
        for number in sorted(stages, key=int, reverse=True)
    ]
    if as_json:
        import json

        typer.echo(
            json.dumps(
                [
                    {"version": number, "stage": stage, "registered_at": entry.at.isoformat(), **facts}
                    for number, stage, entry, facts in rows
                ],
                indent=1,
                default=str,
            )
        )
        return
    from cli.tables import print_table

    now = utc_now()
    print_table(
        f"Versions of {registry.model}",
        ["version", "stage", "candidate", *FIGURES.values(), "activity", "commit", "age"],
        [
            (
                number,
                stage,
                str(facts.get("candidate", "missing in ZenML")).replace("_", " "),
                *(_figure(facts, name) for name in FIGURES),
                f"v{facts.get('version_activity', '?')}",
                f"{str(facts.get('git_commit', '?'))[:8]}{'+' if facts.get('git_dirty') else ''}",
                _age(entry, now),
            )
            for number, stage, entry, facts in rows
        ],
    )


def _figure(facts: "Mapping[str, object]", name: str) -> str:
    value, low, high = (facts.get(f"{name}{end}") for end in ("", "_low", "_high"))
    if not isinstance(value, (int, float)):
        return "–"
    interval = f" ({low:.3f} – {high:.3f})" if isinstance(low, (int, float)) and isinstance(high, (int, float)) else ""
    return f"{value:.3f}{interval}"


def _age(entry: "Entry", now: datetime) -> str:
    hours = (now - entry.at).total_seconds() / 3600
    return f"{hours / 24:.0f} d" if hours >= 48 else f"{max(hours, 0):.0f} h"
