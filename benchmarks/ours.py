"""The platform's own ingestion as a program: `python -m benchmarks.ours FORMAT LANDING OUT`."""

from datetime import UTC, datetime
from pathlib import Path

from benchmarks.peers.job import KEY, Counted, run
from churn.ingestion.ingest import Ingestion
from churn.ingestion.report import IngestReport
from churn.privacy.keys import DataKey
from churn.settings import IngestionSettings, LakeSettings, LandingSettings, Settings

CONTRACT = Path(__file__).parent / "activity.yaml"


class FixedKey:
    """A key held in memory; what it costs to unwrap one is no part of the comparison."""

    def data_key(self) -> DataKey:
        """Return the key."""
        return DataKey(KEY, version="benchmark")


def ingestion(landing: Path, lake: Path) -> Ingestion:
    """Bind an ingestion with the platform's default settings and the contract of the benchmark."""
    settings = Settings(
        environment="dev",
        landing=LandingSettings(url=str(landing)),
        lake=LakeSettings(url=str(lake)),
        ingestion=IngestionSettings(contracts={"activity": CONTRACT}),
    )
    return Ingestion(settings, FixedKey())


def counted(report: IngestReport) -> Counted:
    """Reduce a report to its counts."""
    return Counted(**report.counts.model_dump())


def ingest(form: str, landing: Path, out: Path) -> Counted:
    """Ingest a landing zone in one run; the files tell their format."""
    return counted(ingestion(landing, out).run(now=datetime(2100, 1, 1, tzinfo=UTC), run_id=f"benchmark-{form}"))


if __name__ == "__main__":
    run(ingest)
