"""Which share the canary had when: kept with the deployment, since nobody writes down a request's odds."""

from datetime import datetime, timedelta
from typing import Final

import polars as pl

from churn.frozen import Frozen
from seldon.gateway.state import Desired

_KEPT: Final = timedelta(days=7)
_MOST: Final = 200
"""Annotations of an object are limited to 256 KiB."""


class Period(Frozen):
    """What was asked for from a moment on.

    Attributes:
        began: when it was written, UTC.
        live: when the gateway was known to follow; None: it never was.
        weight: percent of the requests on the canary.
    """

    generation: int
    began: datetime
    live: datetime | None = None
    weight: int
    canary: bool


class History(Frozen):
    """The periods of a deployment, oldest first."""

    periods: tuple[Period, ...] = ()

    def begun(self, desired: Desired, at: datetime) -> "History":
        """Return it with one more period; old ones are forgotten."""
        if self.periods and self.periods[-1].generation == desired.generation:
            return self
        period = Period(
            generation=desired.generation,
            began=at,
            weight=desired.canary_weight,
            canary=desired.canary is not None,
        )
        kept = [old for old in self.periods if old.began >= at - _KEPT]
        return History(periods=(*kept[-_MOST:], period))

    def now_live(self, generation: int, at: datetime) -> "History":
        """Return it with the gateway following a generation since a moment."""
        return History(
            periods=tuple(
                period.model_copy(update={"live": period.live or at}) if period.generation == generation else period
                for period in self.periods
            )
        )

    def canary_since(self) -> datetime | None:
        """Return since when there is a canary; None while there is none."""
        since = None
        for period in reversed(self.periods):
            if not period.canary:
                break
            since = period.began
        return since

    def frame(self) -> pl.DataFrame:
        """Return one row a period: `began`, `settled` (its weight is the only one), `share` and the share `before`.

        A period that changes nothing of the weight is settled from its beginning on.
        """
        rows: list[tuple[datetime, datetime | None, float, float]] = []
        before: Period | None = None
        for period in self.periods:
            same = before is not None and before.weight == period.weight and (before.live or period.weight == 0)
            left = before.weight / 100 if before is not None else 0.0
            rows.append((period.began, period.began if same else period.live, period.weight / 100, left))
            before = period
        moment = pl.Datetime("us", "UTC")
        return pl.DataFrame(
            rows, {"began": moment, "settled": moment, "share": pl.Float64(), "before": pl.Float64()}, orient="row"
        )

    def weighed(self, requests: pl.DataFrame) -> pl.DataFrame:
        """Add `weight`, the probability of the canary for each request by its time `at`, sorted; `settled`; `before`.

        While one weight gives way to another, and before the first, nobody knows: such a request has the weight 1, at
        which nothing is compared, so that it is counted and bets on nothing. `before` is the weight that gives way.
        """
        joined = requests.join_asof(self.frame(), left_on="at", right_on="began", strategy="backward")
        settled = (pl.col("at") >= pl.col("settled")).fill_null(False)
        return joined.with_columns(settled=settled, weight=pl.when(settled).then(pl.col("share")).otherwise(1.0)).drop(
            "began", "share"
        )
