"""The demo's looks: at the model in production, and at every customer."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING, cast

from cli.zen import run_here

if TYPE_CHECKING:
    from zenml.models import PipelineRunResponse

    from churn.monitoring.watched import Watched
    from churn.scoring.report import ScoreReport

_WIDTH = 160
"""Of a reason; the report has all of it."""


@dataclass(frozen=True)
class Look:
    """What the monitoring found.

    Attributes:
        page: its report; none where the artifact store keeps none.
    """

    watched: "Watched"
    page: Path | None


@dataclass(frozen=True)
class Scored:
    """What became of scoring everybody.

    Attributes:
        page: its report; none where the artifact store keeps none.
    """

    scores: "ScoreReport"
    page: Path | None


def look() -> Look | None:
    """Look at the model in production; none where there is none."""
    from churn.ledger.standing import standing
    from pipelines.monitoring import monitor_model
    from steps.registry import active_ledger

    if standing(active_ledger().entries()).holder("production") is None:
        return None
    run = run_here(monitor_model)
    watched = cast("Watched", run.steps["conclude"].outputs["monitoring"][0].load())
    return Look(watched, _page(run, "conclude", "monitoring"))


def score() -> Scored:
    """Score all active customers, and publish their features for the API."""
    from pipelines.scoring import score_customers

    run = run_here(score_customers)
    scores = cast("ScoreReport", run.steps["score"].outputs["scores"][0].load())
    return Scored(scores, _page(run, "score", "scores"))


def print_look(look: Look, say: Callable[[str], None]) -> None:
    """Say how the model did, and what followed."""
    measured, verdict, deed = look.watched.measurement, look.watched.verdict, look.watched.deed
    reason = shorten(verdict.reason, _WIDTH, placeholder=" …")
    say(f"monitoring of version {verdict.version}, {measured.at:%Y-%m-%d %H:%M}: {verdict.decision}: {reason}")
    if deed.kind != "none":
        say(f"so {deed.says}")


def print_scored(scored: Scored, say: Callable[[str], None]) -> None:
    """Say whom to contact."""
    scores = scored.scores
    say(
        f"{scores.customers:,} customers scored, {scores.contacts.customers:,} to be contacted, "
        f"expected profit {scores.expected_profit:,.0f}"
    )
    if scores.top:
        first = scores.top[0]
        say(f"first of them {first.customer}: {'; '.join(first.reasons) or 'no single reason'}")


def _page(run: "PipelineRunResponse", step: str, output: str) -> Path | None:
    pages = run.steps[step].outputs[output][0].visualizations or []
    return Path(pages[0].uri) if pages else None
