"""Requests become counts: all that the bets need, the same however the requests are cut into pieces."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray

from churn.rollout.baseline import Baseline
from churn.rollout.bets import GRID, Array, Counts
from churn.rollout.metrics import EVENTS, Outcome, values_of
from churn.rollout.requests import read
from churn.rollout.settings import RolloutSettings

_FIRSTS: tuple[Outcome, ...] = (
    *("error", "slow_median", "slow_q90", "slow_q99", "slower_median", "slower_q90", "slower_q99"),
    *("contacted", "score", "repeated"),
)
_ANY = -1
"""In place of a track: either."""

_BINS, _SHORTEST, _LONGEST = 400, 1e-4, 1e3
"""Latency in seconds, counted on a logarithmic scale: one bin is 4 %."""


def _nothing(outcome: Outcome) -> Counts:
    return np.zeros((2, len(values_of(outcome))), dtype=np.int64)


@dataclass
class Block:
    """What was seen at one weight of the canary; arrays hold stable first, then the canary.

    Attributes:
        customers: distinct ones at this weight.
        units: customers that the rollout had not met before.
        firsts: their first requests by outcome and value.
        events: customers whose first request with the outcome fell here.
    """

    weight: float
    customers: Counts = field(default_factory=lambda: np.zeros(2, dtype=np.int64))
    requests: Counts = field(default_factory=lambda: np.zeros(2, dtype=np.int64))
    failed: Counts = field(default_factory=lambda: np.zeros(2, dtype=np.int64))
    units: Counts = field(default_factory=lambda: np.zeros(2, dtype=np.int64))
    firsts: Mapping[Outcome, Counts] = field(default_factory=lambda: {o: _nothing(o) for o in _FIRSTS})
    events: Mapping[Outcome, Counts] = field(default_factory=lambda: {o: _nothing(o) for o in EVENTS})
    latency: Counts = field(default_factory=lambda: np.zeros((2, _BINS), dtype=np.int64))
    verified: int = 0

    @property
    def compares(self) -> bool:
        """Whether chance decided the track here."""
        return 0 < self.weight < 1


class _Met:
    """Customers, or values, that were met before."""

    def __init__(self) -> None:
        self._known = pl.Series(dtype=pl.UInt64)

    def first(self, who: pl.Series) -> pl.Series:
        """Tell which are met for the first time, and remember them; one without a name always is."""
        new = who.is_null() | (who.is_first_distinct() & ~who.is_in(self._known.implode()))
        self._known = pl.concat([self._known, who.filter(new).drop_nulls()])
        return new


class Tally:
    """Counts of a rollout, to which requests are added as they come; each must be added once, with its prediction."""

    def __init__(self, baseline: Baseline, settings: RolloutSettings) -> None:
        self.blocks: dict[float, Block] = {}
        self.lost = np.zeros(2, dtype=np.int64)
        self.failures_in_a_row = 0
        self.wrong_scores = 0
        self.furthest_score = 0.0
        self._baseline, self._settings = baseline, settings
        self._met = _Met()
        self._met_at: dict[tuple[float, int], _Met] = {}
        self._met_with: dict[Outcome, _Met] = {outcome: _Met() for outcome in EVENTS}
        self._scores = pl.DataFrame(schema={"score": pl.Float64, "times": pl.UInt32})
        self._failing: pl.Series = pl.Series(dtype=pl.UInt64)

    @property
    def comparing(self) -> list[Block]:
        """The blocks in which chance decided the track."""
        return [block for block in self.blocks.values() if block.compares]

    @property
    def failing(self) -> int:
        """Customers that the canary has failed since its last success."""
        return self._failing.drop_nulls().n_unique() + self._failing.null_count()

    @property
    def requests(self) -> Counts:
        """Requests of each track that were told of, complete or not."""
        total: Counts = sum((block.requests for block in self.blocks.values()), self.lost.copy())
        return total

    @property
    def failed(self) -> Counts:
        """Failed requests of each track."""
        total: Counts = sum((block.failed for block in self.blocks.values()), np.zeros(2, dtype=np.int64))
        return total

    def add(self, requests: pl.DataFrame) -> None:
        """Count requests that follow those already counted.

        Raises:
            UnfitRequests: a column is missing or has another type.
        """
        rows = read(requests, self._baseline, self._settings)
        lost = rows.filter("lost")
        # Without a track, the loss is laid to both: it must not vanish.
        self.lost += [int((lost["track"].fill_null(track) == track).sum()) for track in (0, 1)]
        rows = rows.filter(~pl.col("lost"))
        self._watch(rows.filter("canary"))
        for part in rows.partition_by("weight", maintain_order=True):
            weight = float(part["weight"][0])
            self._count(part, self.blocks.setdefault(weight, Block(weight)))

    def _watch(self, canary: pl.DataFrame) -> None:
        wrong = canary.filter("wrong")
        self.wrong_scores += wrong.height
        if wrong.height:
            off = (wrong["score"] - wrong["expected_score"]).abs().fill_nan(1.0).max()
            self.furthest_score = max(self.furthest_score, float(off) if isinstance(off, float) else 1.0)
        self._count_failures(canary.select("who", "error"))

    def _count_failures(self, canary: pl.DataFrame) -> None:
        """Find the longest run of failures, counted in customers: one whose input always fails is no dead canary."""
        runs = canary.with_columns(run=(~pl.col("error")).cum_sum())
        if runs.height == 0:
            return
        failing = runs.filter("error")
        carried = pl.DataFrame({"run": 0, "who": self._failing}, schema={"run": pl.UInt32, "who": pl.UInt64})
        failing = pl.concat([carried, failing.select(pl.col("run").cast(pl.UInt32), "who")])
        named = pl.col("who").drop_nulls().n_unique()
        lengths = failing.group_by("run").agg((named + pl.col("who").null_count()).alias("length"))
        found = lengths["length"].max()
        self.failures_in_a_row = max(self.failures_in_a_row, int(found) if isinstance(found, int) else 0)
        last = int(runs["run"][-1])
        self._failing = failing.filter(pl.col("run") == last)["who"]

    def _count(self, rows: pl.DataFrame, block: Block) -> None:
        track = rows["track"].to_numpy()
        block.requests += np.bincount(track, minlength=2)
        block.failed += np.bincount(track[rows["error"].to_numpy()], minlength=2)
        block.verified += int((rows["verified"] & rows["canary"]).sum())
        for side in (0, 1):
            seconds = rows.filter((pl.col("track") == side) & ~pl.col("error"))["seconds"].to_numpy()
            block.latency[side] += np.bincount(_bins(seconds), minlength=_BINS)
            if not block.compares:
                met = self._met_at.setdefault((block.weight, side), _Met())
                block.customers[side] += int(met.first(rows.filter(pl.col("track") == side)["who"]).sum())
        if block.compares:
            # Where the split is drawn anew for each request, a customer meets both tracks and counts on the first.
            here = self._met_at.setdefault((block.weight, _ANY), _Met()).first(rows["who"])
            block.customers += np.bincount(track[here.to_numpy()], minlength=2)
            first = rows.filter(self._met.first(rows["who"]))
            block.units += np.bincount(first["track"].to_numpy(), minlength=2)
            self._count_firsts(first, block)
            for outcome, counts in block.events.items():
                shown = rows.filter(outcome)
                new = shown.filter(self._met_with[outcome].first(shown["who"]))
                counts[:, 1] += np.bincount(new["track"].to_numpy(), minlength=2)

    def _count_firsts(self, first: pl.DataFrame, block: Block) -> None:
        scored = first.filter(pl.col("score").is_not_null())
        for outcome, counts in block.firsts.items():
            if outcome == "score":
                rows, values = scored, np.rint(scored["score"].to_numpy() * GRID).astype(np.int64)
            elif outcome == "repeated":
                rows, values = scored, self._repeated(scored["score"]).astype(np.int64)
            else:
                rows = scored if outcome == "contacted" else first
                values = rows[outcome].cast(pl.Int64).to_numpy()
            width = counts.shape[1]
            counts += np.bincount(rows["track"].to_numpy() * width + values, minlength=2 * width).reshape(2, width)

    def _repeated(self, scores: pl.Series) -> NDArray[np.bool_]:
        """Tell which scores two customers had before, exactly."""
        rows = (
            scores.to_frame("score")
            .with_columns(earlier=pl.int_range(pl.len(), dtype=pl.UInt32).over("score"))
            .join(self._scores, on="score", how="left", maintain_order="left")
        )
        self._scores = (
            pl.concat([self._scores, rows.select("score", times=pl.lit(1, pl.UInt32))])
            .group_by("score")
            .agg(pl.col("times").sum().clip(upper_bound=2))
        )
        repeated: NDArray[np.bool_] = (rows["earlier"] + rows["times"].fill_null(0) >= 2).to_numpy()
        return repeated


def quantile(latency: Counts, share: float) -> float | None:
    """Return a quantile in seconds of latencies counted on the logarithmic scale, to 2 %; none without any."""
    if not latency.sum():
        return None
    place = int(np.searchsorted(np.cumsum(latency), share * latency.sum()))
    return float(_SHORTEST * (_LONGEST / _SHORTEST) ** ((min(place, _BINS - 1) + 0.5) / _BINS))


def _bins(seconds: Array) -> Counts:
    scaled = np.log(np.clip(seconds, _SHORTEST, _LONGEST) / _SHORTEST) / np.log(_LONGEST / _SHORTEST)
    bins: Counts = np.clip((scaled * _BINS).astype(np.int64), 0, _BINS - 1)
    return bins
