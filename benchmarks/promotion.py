"""What the gate decides on real customers: `python -m benchmarks.promotion`; `--write` puts it into docs/promotion.md.

Takes CDNOW, Complete Journey and Online Retail from their source through ingestion, features and training with default
settings, and lets each candidate compete with another: as the first model, with the other algorithm, and, for CDNOW,
with the same one trained a month earlier. The folder of the larger sets is CHURN_DATA, else shared/data beside the
project.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.tables import circumstances, table, written
from churn.bundle.bundle import Bundle
from churn.bundle.manifest import Lineage
from churn.features.build import build_features
from churn.features.settings import FeatureSettings
from churn.ingestion.ingest import Ingestion
from churn.lake.snapshot import take_snapshot
from churn.landing.zone import LandingZone
from churn.log import configure_logging
from churn.privacy.keys import DataKey
from churn.promotion.evidence import Difference, Evidence
from churn.promotion.gate import judge
from churn.promotion.gather import Contender, gather
from churn.promotion.lake_data import LakeData
from churn.promotion.settings import PromotionSettings
from churn.settings import IngestionSettings, LakeSettings, LandingSettings, Settings
from churn.sources.registry import open_source
from churn.sources.replay import replay
from churn.training.experiment import run_experiment
from churn.training.settings import TrainingSettings

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "promotion.md"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
SETTINGS = PromotionSettings(max_data_age_days=None)
"""The defaults; the sets are old by nature."""


@dataclass(frozen=True)
class Source:
    """A set, its horizon and active window in days, its file below the data folder, and where an older one ends."""

    name: str
    title: str
    horizon: int
    active: int
    path: str | None = None
    until: datetime | None = None


SOURCES = (
    Source("cdnow", "CDNOW", 90, 180),
    Source("complete_journey", "Complete Journey", 30, 90, "complete_journey"),
    Source("online_retail", "Online Retail", 90, 90, "online_retail/by-day.tar.gz"),
)
CDNOW_EARLIER = Source("cdnow", "CDNOW", 90, 180, until=datetime(1998, 6, 1, tzinfo=UTC))


class FixedKey:
    """A data key without a Vault."""

    def data_key(self) -> DataKey:
        """Return it."""
        return DataKey(b"k" * 32, "1")


def main() -> None:
    """Let candidates compete and print what the gate says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="put the table into docs/promotion.md")
    options = parser.parse_args()
    configure_logging(json=True, level="warning")
    with tempfile.TemporaryDirectory() as folder:
        rows = [row for source in SOURCES for row in _of(source, Path(folder))]
    head = ["candidate over incumbent", "customers", "ROC-AUC", "Brier score", "earns more in", "CPU s", "verdict"]
    printed = table(head, rows)
    print(printed)
    if options.write:
        noted = f"\n{circumstances('python -m benchmarks.promotion --write')}\n\n{printed}\n"
        PAGE.write_text(written(PAGE.read_text(encoding="utf-8"), noted, "promotion"), encoding="utf-8")


def _of(source: Source, folder: Path) -> Iterator[list[str]]:
    lake, bundles = _trained(source, folder / source.name)
    linear, forest = bundles["logistic_regression"], bundles["random_forest"]
    yield _met(f"{source.title}, logistic regression, first", lake, linear, None)
    yield _met(f"{source.title}, logistic regression over random forest", lake, linear, forest)
    yield _met(f"{source.title}, random forest over logistic regression", lake, forest, linear)
    if source.name == CDNOW_EARLIER.name:
        # A twin lake: customers have other tokens there, which no model looks at.
        _, earlier = _trained(CDNOW_EARLIER, folder / "earlier")
        yield _met(
            f"{source.title}, the same over one of a month earlier", lake, linear, earlier["logistic_regression"]
        )


def _trained(source: Source, folder: Path) -> tuple[str, dict[str, Bundle]]:
    settings = Settings(
        environment="dev",
        landing=LandingSettings(url=str(folder / "landing")),
        lake=LakeSettings(url=str(folder / "lake")),
        ingestion=IngestionSettings(max_bad_share=1.0),
    )
    data = Path(os.environ.get("CHURN_DATA", ROOT.parent / "shared" / "data"))
    opened = open_source(source.name, data / source.path if source.path else None)
    replay(opened, LandingZone(settings.landing.url), per="day", format="csv", until=source.until)
    Ingestion(settings, FixedKey(), clock=lambda: NOW).run(now=source.until or NOW, run_id="benchmark", backfill=True)
    built = build_features(
        take_snapshot(settings.lake.url),
        FeatureSettings(horizon_days=source.horizon, active_days=source.active),
        lake_url=settings.lake.url,
        dbt_dir=ROOT / "dbt",
        work_dir=folder / "work",
        clock=lambda: NOW,
    )
    lineage = Lineage(
        git_commit="benchmark",
        git_dirty=False,
        lock_digest="benchmark",
        snapshot=built.snapshot,
        features=built.features,
        features_digest=built.digest,
        feature_settings=built.settings,
        cutoffs=built.cutoffs,
    )
    training = TrainingSettings(candidates=("logistic_regression", "random_forest"))
    made = run_experiment(built, training, dbt_dir=ROOT / "dbt", lineage=lineage, out=folder / "bundles")
    return settings.lake.url, {bundle.manifest.candidate: bundle for bundle in made.bundles}


def _met(what: str, lake: str, mine: Bundle, theirs: Bundle | None) -> list[str]:
    started = time.process_time()
    evidence = gather(
        Contender("2", mine.digest, lambda: mine),
        Contender("1", theirs.digest, lambda: theirs) if theirs else None,
        target="production",
        data=LakeData(lake),
        decided=lambda cutoff: None,
        settings=SETTINGS,
        now=NOW,
    )
    verdict = judge(evidence, SETTINGS)
    spent = time.process_time() - started
    failed = [check.name.replace("_", " ") for check in verdict.checks if not check.passed]
    said = "promoted" if verdict.decision == "PROMOTE" else f"refused: {', '.join(failed)}"
    customers = f"{evidence.comparison.sample.rows:,}" if evidence.comparison else "none"
    return [what, customers, *_figures(evidence), f"{spent:.1f}", said]


def _figures(evidence: Evidence) -> list[str]:
    over = evidence.comparison.over_incumbent if evidence.comparison else None
    if over is None:
        return ["", "", ""]
    return [_shown(over.roc_auc, 3), _shown(over.brier, 4), f"{over.profit_per_customer.ahead or 0:.0%}"]


def _shown(difference: Difference, digits: int) -> str:
    if difference.value is None or difference.low is None or difference.high is None:
        return "unknown"
    return f"{difference.value:+.{digits}f} ({difference.low:+.{digits}f} to {difference.high:+.{digits}f})"


if __name__ == "__main__":
    main()
