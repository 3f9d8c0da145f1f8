"""The demo's deployment: the approved model behind the prediction API, and a canary that has to be taken back."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cli.zen import run_here

if TYPE_CHECKING:
    from cli.demo_models import Models
    from cli.demo_promotion import Promoted
    from seldon.deployment import Deployment
    from seldon.rollout.outcome import RolloutOutcome

FAILING = 0.2


@dataclass(frozen=True)
class Served:
    """What customers met with.

    Attributes:
        url: of the deployment, up to the Seldon paths.
        version: who answers.
        drill: how the canary that failed on purpose ended.
        asked: requests of the demo's customers during the drill.
        failed: those that were not answered.
    """

    url: str
    version: str
    drill: "RolloutOutcome"
    asked: int
    failed: int


def put_behind_api(version: str) -> "Deployment":
    """Deploy an approved version; one that is in production already is served, if it is not."""
    from churn.ledger.standing import standing
    from pipelines.deployment import deploy_model
    from stacks.deployer import active_deployment
    from steps.registry import active_ledger
    from steps.serve_production import serve_production

    if standing(active_ledger().entries()).holder("production") == version:
        serve_production()
    else:
        run_here(lambda: deploy_model(version))
    return active_deployment()[1]


def take_a_failing_canary_back(deployment: "Deployment", promoted: "Promoted", models: "Models") -> Served:
    """Send real customers to the API, and among them a canary that fails on purpose."""
    from churn.features.tables import CUSTOMER, CUTOFF, LABEL
    from cli.demo_traffic import Traffic
    from steps.drill import drill

    features = models.features
    rows = features.frame([features.cutoffs.all[-1]]).drop(CUTOFF, LABEL)
    traffic = Traffic.of(deployment.gateway_url(), rows, CUSTOMER)
    with traffic.flowing():
        outcome = drill(FAILING)
    return Served(traffic.url, promoted.version, outcome, traffic.asked, traffic.failed)


def print_served(served: Served, say: Callable[[str], None]) -> None:
    """Say how the canary ended, and what customers noticed."""
    from cli.deploy import drilled

    say(drilled(served.drill))
    say(f"meanwhile {served.asked:,} requests of real customers, {served.failed:,} of them failed")
