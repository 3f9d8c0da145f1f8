"""What scoring all customers costs: `python -m benchmarks.scoring`; `--write` puts the table into docs/benchmarks.md.

Features exist: `--rows` customers at one cutoff of a Delta table, 88 features. Each candidate is trained once with the
default settings and then scores them: alone, with reasons for those who are to be contacted, with reasons for everyone,
and as the step of the pipeline does it, from the Delta table to the table `scores` and the lists. CPU seconds of all
threads, so that a second of two cores counts twice.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl

from benchmarks import frames
from benchmarks.measure import ROOT
from benchmarks.tables import circumstances, table, written
from churn.bundle.bundle import Bundle
from churn.bundle.write import write_bundle
from churn.evaluation.settings import EvaluationSettings
from churn.lake.create import create_table
from churn.scoring.export import export_contacts
from churn.scoring.report import report_of
from churn.scoring.score import BATCH, score_rows
from churn.scoring.settings import ScoringSettings
from churn.scoring.table import ScoreLineage, ranked, write_scores
from churn.training.judge import judge
from churn.training.settings import TrainingSettings
from churn.training.train import train_candidates

FEATURES = 88
DAY = date(2026, 11, 21)
WANTED = 1.0
"""Million customers a minute and core, from the features to the list."""
PAGE = ROOT / "docs" / "benchmarks.md"


def bundles(folder: Path, train_rows: int) -> dict[str, Bundle]:
    """Train every candidate once."""
    settings = TrainingSettings(
        evaluation=EvaluationSettings(bootstrap_rounds=20, importance_rows=100, importance_rounds=1)
    )
    splits, catalogue = frames.split_frames(train_rows, train_rows // 5, features=FEATURES), frames.catalogue(FEATURES)
    trained = list(train_candidates(splits, catalogue, settings))
    report = judge(trained, splits, catalogue, settings)
    return {
        one.name: write_bundle(folder / one.name, one, splits, report, settings, frames.lineage(splits))
        for one in trained
        if one.name in settings.candidates
    }


def made_table(folder: Path, rows: int) -> str:
    """Put the customers into a Delta table, as the feature pipeline has them, and return where it is."""
    made = frames.snapshots(rows, DAY, 3, features=FEATURES)
    schema = pl.Schema({**made.schema})
    target = create_table(str(folder / "customer_snapshots"), schema, name="customer_snapshots", partition_by="cutoff")
    return target.append(made, fence="benchmark").uri


def read(uri: str) -> pl.DataFrame:
    """Read the customers as the pipeline does, sorted by token."""
    found = create_table(uri, pl.Schema(), name="customer_snapshots", partition_by="cutoff")
    return found.scan(dates={DAY}).collect().sort("customer_id")


def whole(bundle: Bundle, uri: str, folder: Path) -> None:
    """Do what the step does."""
    settings = ScoringSettings()
    scored = ranked(score_rows(bundle, read(uri), settings))
    digest = "ab" * 32
    lineage = ScoreLineage(
        scoring_date=DAY,
        model_version=bundle.manifest.candidate,
        bundle_digest=bundle.digest,
        features_version=1,
        features_digest=digest,
        rows_digest=digest,
        snapshot=digest,
        settings=settings.digest,
    )
    kept = write_scores(str(folder), scored, lineage, datetime.now(UTC))
    lists = export_contacts(scored, str(folder / "exports"), DAY, bundle.manifest.candidate)
    report_of(scored, bundle, lineage, kept, lists)


def timed(work: Callable[[], object]) -> float:
    """Return the CPU seconds of this process that something takes."""
    begun = time.process_time()
    work()
    return time.process_time() - begun


def alone(bundle: Bundle, rows: pl.DataFrame) -> None:
    """Score without saying why."""
    for part in rows.iter_slices(BATCH):
        bundle.predict(part)


def line(bundle: Bundle, rows: pl.DataFrame, uri: str, folder: Path) -> list[str]:
    """Measure one model."""
    contacts, everyone = ScoringSettings(), ScoringSettings(reasons_for="everyone")
    share = (bundle.predict(rows.head(BATCH)) >= bundle.manifest.threshold).mean()
    costs = [
        timed(lambda: alone(bundle, rows)),
        timed(lambda: score_rows(bundle, rows, contacts)),
        timed(lambda: score_rows(bundle, rows, everyone)),
        timed(lambda: whole(bundle, uri, folder)),
    ]
    return [
        bundle.manifest.candidate.replace("_", " "),
        f"{share:.0%}",
        *(f"{cost / rows.height * 1e6:.1f}" for cost in costs),
        f"{rows.height / costs[-1] * 60 / 1e6:.2f} (≥ {WANTED:g})",
    ]


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=300_000)
    parser.add_argument("--train-rows", type=int, default=30_000)
    parser.add_argument("--write", action="store_true", help=f"put the table into {PAGE.relative_to(ROOT)}")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        trained, uri = bundles(folder, options.train_rows), made_table(folder, options.rows)
        rows = read(uri)
        lines = [line(bundle, rows, uri, folder) for bundle in trained.values()]
    head = [
        "model",
        "contacted",
        "µs a customer: scores alone",
        "reasons for contacts",
        "reasons for everyone",
        "the whole step",
        "M customers a minute and core",
    ]
    printed = table(head, lines)
    print(printed)
    if options.write:
        command = f"python -m benchmarks.scoring --rows {options.rows} --train-rows {options.train_rows} --write"
        noted = f"\n{circumstances(command)}\n\n{printed}\n"
        PAGE.write_text(written(PAGE.read_text(encoding="utf-8"), noted, "scoring"), encoding="utf-8")


if __name__ == "__main__":
    main()
