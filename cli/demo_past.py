"""The demo's last hours, lived through again: customers ask, activity comes in."""

import json
import random
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

from churn.errors import ChurnError
from churn.hours import HOUR
from cli.zen import run_here

if TYPE_CHECKING:
    from churn.clock import ProjectClock
    from churn.features.feature_set import FeatureSet
    from churn.landing.zone import LandingZone
    from churn.online.publish import PublishedCustomers
    from cli.demo_data import Uploads

CUSTOMERS_AN_HOUR = 100
"""Of whom the model in production is asked; six hours have enough of them to be tested for drift."""
_GROUP = 25
"""Customers in one request."""
_LAG = timedelta(minutes=5)
"""From an hour's end until it is ingested."""
_TAKES = 30.0
"""Seconds that a server may need to take a snapshot of the customers, or to log what it answered."""


class NotAnswered(ChurnError):
    """The model in production did not answer, or did not log what it answered."""


@dataclass
class Asking:
    """Those who ask about customers, by token.

    Attributes:
        url: of the deployment, up to the Seldon paths.
        tokens: of the customers.
    """

    url: str
    tokens: Sequence[str]
    _draw: random.Random = field(default_factory=lambda: random.Random(20260101), repr=False)

    def wait_for(self, digest: str) -> None:
        """Return once the server answers from a snapshot of the customers; it looks for a new one every second.

        Raises:
            NotAnswered: it does not in time.
        """
        deadline = time.monotonic() + _TAKES
        while self._snapshot() != digest:
            if time.monotonic() > deadline:
                raise NotAnswered(f"{self.url}: the customers were not taken in {_TAKES:.0f} s; see churn serve status")
            time.sleep(0.2)

    def ask(self) -> set[str]:
        """Ask about some of the customers, and return the ids of the requests.

        Raises:
            NotAnswered: about one of them there was no answer.
        """
        some = self._draw.sample(self.tokens, min(CUSTOMERS_AN_HOUR, len(self.tokens)))
        groups = [some[first : first + _GROUP] for first in range(0, len(some), _GROUP)]
        return {str(self._ask(group)["meta"]["puid"]) for group in groups}

    def wait_for_log(self, zone: "LandingZone", requests: set[str], since: datetime) -> None:
        """Return once requests lie in the landing zone: an hour that is lived in a second must not overtake its log.

        Raises:
            NotAnswered: they still do not.
        """
        deadline = time.monotonic() + _TAKES
        while missing := requests - _logged(zone, since):
            if time.monotonic() > deadline:
                raise NotAnswered(
                    f"{self.url}: {len(missing)} of {len(requests)} requests were not logged in {_TAKES:.0f} s; "
                    "see churn serve status"
                )
            time.sleep(0.05)

    def _snapshot(self) -> str | None:
        try:
            answer = self._ask(self.tokens[:1])
        except NotAnswered:  # before its first snapshot a server knows nobody
            return None
        return str(answer["meta"]["tags"]["snapshot"]["digest"])

    def _ask(self, tokens: Sequence[str]) -> dict[str, Any]:
        body = json.dumps({"jsonData": {"customers": list(tokens)}}).encode()
        request = urllib.request.Request(f"{self.url}/api/v1.0/predictions", body, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=_TAKES) as response:
                return dict(json.load(response))
        except (OSError, urllib.error.HTTPError) as error:
            raise NotAnswered(f"{self.url}: {error}; see churn serve status") from None


def begin_in_the_past(clock: "ProjectClock", first: datetime) -> None:
    """Put the clock back to where the demo begins; a project that has decided something since stays in the present."""
    from steps.registry import active_ledger

    if all(entry.at <= first for entry in active_ledger().entries()):
        clock.begin(first)


def customers_ask() -> Asking | None:
    """Score everybody, so that servers know them as they are now; none where no model or nobody is there."""
    from churn.features.tables import CUSTOMER
    from churn.ledger.standing import standing
    from pipelines.scoring import score_customers
    from stacks.deployer import active_deployment
    from steps.registry import active_ledger
    from steps.serve_production import serve_production

    if standing(active_ledger().entries()).holder("production") is None:
        return None
    serve_production()
    run = run_here(score_customers)
    features = cast("FeatureSet", run.steps["build_features"].outputs["feature_set"][0].load())
    tokens = features.frame([features.cutoffs.latest])[CUSTOMER].to_list()
    if not tokens:
        return None
    asking = Asking(active_deployment()[1].gateway_url(), tokens)
    published = cast("PublishedCustomers", run.steps["publish_customers"].outputs["customers"][0].load())
    asking.wait_for(published.digest)
    return asking


def live_through(hour: datetime, uploads: "Uploads", asking: Asking | None, clock: "ProjectClock") -> None:
    """Let an hour pass: customers ask in it, and at its end what has landed is ingested."""
    ends = hour + HOUR
    requests = asking.ask() if asking is not None and clock.now() < ends else set()
    clock.forward_to(ends + _LAG)
    uploads.ingest(ends)
    if asking is not None and requests:
        asking.wait_for_log(uploads.zone(), requests, since=hour)


def _logged(zone: "LandingZone", since: datetime) -> set[str]:
    """Return the ids of the requests whose predictions landed from an hour on, as far as these can be read."""
    import polars as pl

    from churn.landing.zone import UnstableObject, VanishedObject

    found: set[str] = set()
    for item in zone.objects("predictions", since):
        with suppress(pl.exceptions.PolarsError, UnstableObject, VanishedObject):
            found.update(pl.read_parquet(zone.read(item)[1], columns=["request_id"]).to_series())
    return found
