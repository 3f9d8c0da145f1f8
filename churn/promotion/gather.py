"""From two versions to evidence: whatever is missing or unreadable becomes a fault, and a fault never passes."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Protocol, TypeVar

import polars as pl

from churn.bundle.bundle import Bundle
from churn.bundle.manifest import Lineage, Manifest
from churn.errors import ChurnError
from churn.features.settings import FeatureSettings
from churn.promotion.compare import UnfitEvidence, compare
from churn.promotion.evidence import Contestant, Evidence, Facts
from churn.promotion.settings import PromotionSettings
from churn.promotion.stage import Target

Found = TypeVar("Found")


@dataclass(frozen=True)
class Contender:
    """A version of the model.

    Attributes:
        version: its number.
        digest: of its bundle, as recorded when it was registered; another bundle is a fault.
        open: opens its bundle.
    """

    version: str
    digest: str
    open: Callable[[], Bundle]


class Data(Protocol):
    """What a candidate is judged on; `LakeData` reads it from the lake."""

    def rows(self, lineage: Lineage) -> pl.DataFrame:
        """Return the rows of the test cutoff, with labels."""

    def known_until(self, lineage: Lineage) -> datetime:
        """Return when the newest row the candidate knows became available."""

    def newest(self) -> datetime:
        """Return when the newest row there is became available."""


def gather(
    candidate: Contender,
    incumbent: Contender | None,
    *,
    target: Target,
    data: Data,
    decided: Callable[[date], str | None],
    settings: PromotionSettings,
    now: datetime,
) -> Evidence:
    """Read and measure everything the gate looks at; errors are kept in the evidence, as faults.

    Args:
        candidate: the version that asks.
        incumbent: the version that stands at the target; none for a first model.
        target: the stage it asks for.
        data: its held-out rows and how fresh they are.
        decided: returns which decision about another version at this stage used a cutoff already, in words.
        settings: of the comparison.
        now: the time, in UTC.
    """
    faults = _Faults()
    mine = faults.reading(f"version {candidate.version}", lambda: _opened(candidate))
    theirs = faults.reading(f"version {incumbent.version}", lambda: _opened(incumbent)) if incumbent else None
    comparison = watermark = earlier = None
    if mine is not None:
        lineage = mine.manifest.lineage
        if theirs is not None:
            rival = theirs.manifest
            faults.reading("comparison", lambda: _same_question(lineage.feature_settings, rival))
        if incumbent is None or theirs is not None:
            comparison = faults.reading("comparison", lambda: compare(mine, theirs, data.rows(lineage), settings))
        watermark = faults.reading("freshness of the candidate", lambda: data.known_until(lineage))
        earlier = faults.reading("earlier decisions", lambda: decided(lineage.cutoffs.test))
    return Evidence(
        target=target,
        now=now,
        candidate=_contestant(candidate, mine),
        incumbent=_contestant(incumbent, theirs) if incumbent else None,
        comparison=comparison,
        watermark=watermark,
        lake_watermark=faults.reading("freshness of the lake", data.newest),
        decided=earlier,
        faults=tuple(faults.found),
    )


@dataclass
class _Faults:
    found: list[str] = field(default_factory=list)

    def reading(self, what: str, read: Callable[[], Found]) -> Found | None:
        """Return what was read, or note why it could not be; only our own errors are known to quote no data."""
        try:
            return read()
        except ChurnError as error:
            self.found.append(f"{what}: {error}")
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno is not None else "no reason given"
            self.found.append(f"{what}: cannot be read, {type(error).__name__} ({reason})")
        except Exception as error:
            self.found.append(f"{what}: cannot be read, {type(error).__name__}")
        return None


def _opened(contender: Contender) -> Bundle:
    bundle = contender.open()
    if bundle.digest != contender.digest:
        raise UnfitEvidence(
            f"its bundle has the digest {bundle.digest}, but {contender.digest} was registered: another model; restore "
            "the bundle from a copy"
        )
    return bundle


def _same_question(mine: FeatureSettings, rival: Manifest) -> None:
    """Refuse models that predict different things: their figures on one set of labels would not compare."""
    theirs = rival.lineage.feature_settings
    for key in ("horizon_days", "cancellation_events", "cancelled_statuses"):
        asked, answered = getattr(mine, key), getattr(theirs, key)
        if asked != answered:
            raise UnfitEvidence(
                f"the models predict different things, features.{key} is {asked} for the candidate and {answered} for "
                "the incumbent; archive the incumbent, then the candidate is judged as the first of its kind"
            )


def _contestant(contender: Contender, bundle: Bundle | None) -> Contestant:
    return Contestant(
        version=contender.version,
        digest=contender.digest,
        facts=_facts(bundle.manifest) if bundle else None,
    )


def _facts(manifest: Manifest) -> Facts:
    cutoffs = manifest.lineage.cutoffs
    horizon = manifest.lineage.feature_settings.horizon_days
    return Facts(
        name=manifest.candidate,
        test_cutoff=cutoffs.test,
        last_label=max(*cutoffs.train, cutoffs.selection, cutoffs.calibration) + timedelta(days=horizon),
        horizon_days=horizon,
        threshold=manifest.threshold,
        parity=manifest.parity,
    )
