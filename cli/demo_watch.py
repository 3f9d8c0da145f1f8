"""The demo's last act: every customer scored, and a first look at the model that serves."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from cli.zen import run_here

if TYPE_CHECKING:
    from zenml.models import PipelineRunResponse

    from churn.monitoring.watched import Watched
    from churn.scoring.report import ScoreReport


@dataclass(frozen=True)
class Watch:
    """What was found.

    Attributes:
        pages: reports to be opened, by what they show.
    """

    scores: "ScoreReport"
    watched: "Watched"
    pages: dict[str, Path]


def score_and_watch() -> Watch:
    """Score all active customers, publish their features for the API, and look at the model in production."""
    from pipelines.monitoring import monitor_model
    from pipelines.scoring import score_customers

    scoring, watching = run_here(score_customers), run_here(monitor_model)
    return Watch(
        scores=cast("ScoreReport", scoring.steps["score"].outputs["scores"][0].load()),
        watched=cast("Watched", watching.steps["conclude"].outputs["monitoring"][0].load()),
        pages={
            **_page("whom to contact", scoring, "score", "scores"),
            **_page("monitoring", watching, "conclude", "monitoring"),
        },
    )


def print_watch(watch: Watch, say: Callable[[str], None]) -> None:
    """Say whom to contact, and how the model does."""
    scores, verdict = watch.scores, watch.watched.verdict
    say(
        f"{scores.customers:,} customers scored, {scores.contacts.customers:,} to be contacted, "
        f"expected profit {scores.expected_profit:,.0f}"
    )
    if scores.top:
        first = scores.top[0]
        say(f"first of them {first.customer}: {'; '.join(first.reasons) or 'no single reason'}")
    say(f"monitoring says {verdict.decision}: {verdict.reason}")


def _page(title: str, run: "PipelineRunResponse", step: str, output: str) -> dict[str, Path]:
    pages = run.steps[step].outputs[output][0].visualizations or []
    return {title: Path(pages[0].uri)} if pages else {}
