"""A lake with activity written straight into it, and a build over it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from churn.contracts import load_contract
from churn.contracts.model import DECIMAL
from churn.features.build import build_features
from churn.features.feature_set import FeatureSet
from churn.features.settings import FeatureSettings
from churn.lake.create import create_table
from churn.lake.snapshot import DataSnapshot, take_snapshot
from churn.lake.table import Pinned
from churn.settings import Stream

NOW = datetime(2030, 1, 1, tzinfo=UTC)


@dataclass
class FeatureLake:
    """A lake below a folder of its own."""

    root: Path
    dbt_dir: Path
    rows: int = field(default=0)

    @property
    def url(self) -> str:
        return str(self.root / "lake")

    def add(self, rows: Sequence[Mapping[str, object]], stream: Stream = "activity") -> Pinned:
        """Commit rows that name what matters to a test; ids and audit columns are filled in."""
        contract = load_contract(stream)
        table = create_table(f"{self.url}/{stream}", contract.schema, name=stream, partition_by=contract.partition)
        filled = [{contract.key: f"id-{self.rows + number}", **row} for number, row in enumerate(rows)]
        self.rows += len(rows)
        schema = {name: pl.Float64() if dtype == DECIMAL else dtype for name, dtype in contract.schema.items()}
        frame = pl.DataFrame(filled, schema=schema).with_columns(
            pl.col(contract.time).dt.date().alias(contract.partition),
            pl.lit(table.fence("ingest") + 1, pl.Int64).alias("ingest_seq"),
        )
        return table.append(frame.cast(contract.schema), fence="ingest")

    def snapshot(self) -> DataSnapshot:
        return take_snapshot(self.url)

    def build(
        self, settings: FeatureSettings, snapshot: DataSnapshot | None = None, *, lake: str | None = None
    ) -> FeatureSet:
        return build_features(
            snapshot or self.snapshot(),
            settings,
            lake_url=lake or self.url,
            dbt_dir=self.dbt_dir,
            work_dir=self.root / "work",
            clock=lambda: NOW,
        )


@pytest.fixture(scope="session")
def dbt_dir(project_root: Path) -> Path:
    return project_root / "dbt"


@pytest.fixture(scope="module")
def new_lake(dbt_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], FeatureLake]:
    return lambda: FeatureLake(tmp_path_factory.mktemp("features"), dbt_dir)
