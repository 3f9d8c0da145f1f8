"""What the judge gets to see: requests with what their bundle says to the same input, and what a canary cost."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from churn.bundle.bundle import Bundle
from seldon.deployment import Deployment
from seldon.gateway.state import Server
from seldon.rollout.outcome import Cost


@dataclass(frozen=True)
class Traffic:
    """The requests that customers make while a version is rolled out.

    Attributes:
        deployment: whose requests they are.
        bundles: what is served, by digest: the candidate, and the one it replaces.
        settled: after this long the records of a request are in the logs, whatever its answer was; who looks sooner
            would see failures before successes.
    """

    deployment: Deployment
    bundles: Mapping[str, Bundle]
    settled: timedelta

    def since(self, began: datetime, now: datetime) -> pl.DataFrame:
        """Return the requests between two moments, each scored again by the bundle that should have answered."""
        found = self.deployment.requests(began, lambda server, inputs: self._scores(server.digest, inputs))
        return found.filter(pl.col("at") <= now - self.settled)

    def cost(self, began: datetime, stable: Server) -> Cost:
        """Return what the canary's customers met with that stable's would not have."""
        as_stable = self.deployment.requests(began, lambda server, inputs: self._scores(stable.digest, inputs))
        canary = as_stable.filter(pl.col("canary"), pl.col("weight") > 0)
        threshold = self.bundles[stable.digest].manifest.threshold
        differs = pl.col("contacted") != (pl.col("expected_score") >= threshold)
        return Cost(
            requests=canary.height,
            customers=canary["customer"].drop_nulls().n_unique(),
            failed=int(canary["failed"].fill_null(True).sum()),
            decisions=canary.filter(differs)["customer"].n_unique(),
        )

    def _scores(self, digest: str, inputs: pl.DataFrame) -> pl.Series:
        bundle = self.bundles.get(digest)
        if bundle is None:
            return pl.Series("expected_score", [None] * inputs.height, pl.Float64())
        return pl.Series("expected_score", bundle.predict(inputs), pl.Float64())
