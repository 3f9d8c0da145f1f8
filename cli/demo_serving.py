"""The demo's deployments: approved models behind the prediction API, and a canary that has to be taken back."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cli.zen import run_here

if TYPE_CHECKING:
    from pathlib import Path

    from cli.demo_models import Models
    from cli.demo_traffic import Traffic
    from seldon.rollout.outcome import RolloutOutcome

FAILING = 0.2


@dataclass(frozen=True)
class Deployed:
    """How a version came to its customers.

    Attributes:
        rollout: its end; none where an earlier demo has brought it there.
        asked: requests of the demo's customers meanwhile.
        failed: those that were not answered.
        page: the report of the rollout.
    """

    version: str
    rollout: "RolloutOutcome | None"
    asked: int = 0
    failed: int = 0
    page: "Path | None" = None


@dataclass(frozen=True)
class Drilled:
    """How a canary that failed on purpose ended, and what customers met with meanwhile.

    Attributes:
        url: of the deployment, up to the Seldon paths.
    """

    url: str
    outcome: "RolloutOutcome"
    asked: int
    failed: int


def roll_out(version: str, models: "Models") -> Deployed:
    """Deploy an approved version among real customers; what is in production is served, if it is not."""
    from pathlib import Path

    from churn.ledger.standing import standing
    from pipelines.deployment import deploy_model
    from seldon.rollout.outcome import RolloutOutcome
    from steps.registry import active_ledger
    from steps.serve_production import serve_production

    holder = standing(active_ledger().entries()).holder("production")
    if holder is not None:
        serve_production()
    if holder == version:
        return Deployed(version, rollout=None)
    traffic = traffic_of(models)
    with traffic.flowing() if traffic else nullcontext():
        run = run_here(lambda: deploy_model(version))
    artifact = run.steps["roll_out"].outputs["rollout"][0]
    outcome, pages = artifact.load(), artifact.visualizations or []
    assert isinstance(outcome, RolloutOutcome)
    counts = (traffic.asked, traffic.failed) if traffic else (0, 0)
    return Deployed(version, outcome, *counts, page=Path(pages[0].uri) if pages else None)


def traffic_of(models: "Models") -> "Traffic | None":
    """Return the customers of the newest cutoff, who ask what is in production; none where nothing is."""
    from churn.features.tables import CUSTOMER, CUTOFF, LABEL
    from churn.ledger.standing import standing
    from cli.demo_traffic import Traffic
    from stacks.deployer import active_deployment
    from steps.registry import active_ledger
    from steps.serve_production import serve_production

    if standing(active_ledger().entries()).holder("production") is None:
        return None
    serve_production()
    features = models.features
    rows = features.frame([features.cutoffs.all[-1]]).drop(CUTOFF, LABEL)
    return Traffic.of(active_deployment()[1].gateway_url(), rows, CUSTOMER)


def take_a_failing_canary_back(traffic: "Traffic") -> Drilled:
    """Let customers ask while a canary among them fails on purpose."""
    from steps.drill import drill

    with traffic.flowing():
        outcome = drill(FAILING)
    return Drilled(traffic.url, outcome, traffic.asked, traffic.failed)


def print_deployed(deployed: Deployed, say: Callable[[str], None]) -> None:
    """Say how the newest model took over, or why it did not."""
    rollout = deployed.rollout
    if rollout is None or rollout.replaced is None:
        return
    if rollout.ending == "passed":
        weights = [verdict.evidence.weight for verdict in rollout.verdicts]
        way = " → ".join(f"{weight} %" if weight else "shadow" for weight in weights)
        say(f"it replaced version {rollout.replaced} as a canary, {way} → 100 %: {rollout.reason}")
    else:
        say(f"it was taken back ({rollout.ending}), version {rollout.replaced} stays: {rollout.reason}")
    say(_noticed(deployed.asked, deployed.failed))


def print_drilled(served: Drilled, say: Callable[[str], None]) -> None:
    """Say how the canary ended, and what customers noticed."""
    from cli.deploy import drilled

    say(drilled(served.outcome))
    say(_noticed(served.asked, served.failed))


def _noticed(asked: int, failed: int) -> str:
    return f"meanwhile {asked:,} requests of real customers, {failed:,} of them failed"
