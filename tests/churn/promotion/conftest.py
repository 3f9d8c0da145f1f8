from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import polars as pl
import pytest

from benchmarks import frames
from churn.bundle.bundle import Bundle
from churn.bundle.manifest import Lineage
from churn.bundle.write import write_bundle
from churn.evaluation.settings import EvaluationSettings
from churn.promotion.evidence import Evidence
from churn.promotion.gather import Contender, gather
from churn.promotion.settings import PromotionSettings
from churn.training.frames import SplitFrames
from churn.training.judge import judge as judge_candidates
from churn.training.settings import BASELINE, HistGradientBoostingSettings, TrainingSettings
from churn.training.train import train_candidates
from tests.evidence import NOW, first_evidence, good_evidence


@pytest.fixture(scope="session")
def good() -> Evidence:
    return good_evidence()


@pytest.fixture(scope="session")
def first() -> Evidence:
    return first_evidence()


@dataclass(frozen=True)
class MadeUp:
    """Held-out rows and watermarks that need no lake."""

    frame: pl.DataFrame
    mine: datetime = NOW - timedelta(days=2)
    lake: datetime = NOW - timedelta(days=1)

    def rows(self, lineage: Lineage) -> pl.DataFrame:
        return self.frame.filter(pl.col("cutoff") == lineage.cutoffs.test)

    def known_until(self, lineage: Lineage) -> datetime:
        return self.mine

    def newest(self) -> datetime:
        return self.lake


@pytest.fixture(scope="session")
def quick() -> PromotionSettings:
    """Fewer resamples, and segments that made-up rows can fill."""
    return PromotionSettings(rounds=100, segment_rows=300)


@pytest.fixture(scope="session")
def splits() -> SplitFrames:
    return frames.split_frames(train_rows=1500, later_rows=1200)


@pytest.fixture(scope="session")
def bundles(splits: SplitFrames, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Bundle]:
    """Two candidates of one training, and `blind`, which was trained on rows that say little about who leaves."""
    settings = TrainingSettings(
        candidates=(BASELINE, "hist_gradient_boosting"),
        hist_gradient_boosting=HistGradientBoostingSettings(trials=1, iterations=60),
        evaluation=EvaluationSettings(bootstrap_rounds=20, importance_rows=100, importance_rounds=1),
        reference_rows=200,
    )
    scrambled = {
        name: frame.with_columns(
            pl.when(pl.int_range(pl.len()) % 3 == 0)
            .then("churned")
            .otherwise(pl.col("churned").shuffle(seed=3))
            .alias("churned")
        )
        for name, frame in splits.named
        if name != "test"
    }
    made = {}
    for prefix, rows in (("", splits), ("blind_", replace(splits, **scrambled))):
        candidates = train_candidates(rows, frames.catalogue(), settings)
        report = judge_candidates(candidates, rows, frames.catalogue(), settings)
        folder = tmp_path_factory.mktemp("bundles")
        for one in candidates:
            made[prefix + one.name] = write_bundle(
                folder / one.name, one, rows, report, settings, frames.lineage(splits)
            )
    return made


@pytest.fixture
def meet(splits: SplitFrames, quick: PromotionSettings) -> Callable[..., Evidence]:
    """Gather the evidence about a bundle against another; keywords replace what is handed over."""

    def together(mine: Bundle, theirs: Bundle | None, **changes: Any) -> Evidence:
        incumbent = Contender("5", theirs.digest, lambda: theirs) if theirs else None
        return gather(
            changes.pop("candidate", Contender("8", mine.digest, lambda: mine)),
            changes.pop("incumbent", incumbent),
            **{
                "target": "staging",
                "data": MadeUp(splits.test),
                "decided": lambda cutoff: None,
                "settings": quick,
                "now": NOW,
                **changes,
            },
        )

    return together
