"""What a build made: which table version, from which snapshot, at which cutoffs."""

from collections.abc import Collection
from datetime import date, datetime

import polars as pl

from churn.errors import ChurnError
from churn.features.catalogue import TABLE
from churn.features.cutoffs import Cutoffs
from churn.features.settings import FeatureSettings
from churn.features.tables import CUSTOMER, CUTOFF, LABEL
from churn.frozen import Frozen
from churn.lake.snapshot import DataSnapshot, TableVersion


class Recipe(Frozen):
    """Everything that a build depends on; equal recipes give equal rows."""

    snapshot: DataSnapshot
    settings: FeatureSettings
    code: str
    """SHA-256 of the dbt project."""
    cutoffs: Cutoffs
    watermark: datetime
    """When the newest row of the snapshot became available (UTC)."""
    through: int
    """Newest `ingest_seq` of the snapshot's activity."""
    columns: tuple[str, ...]
    """Features, in the order of the catalogue."""

    @property
    def key(self) -> tuple[str, str, str]:
        """What the rows follow from: equal keys give equal rows."""
        return self.snapshot.digest, self.settings.digest, self.code


class FeatureSet(Frozen):
    """A version of the table `customer_snapshots` and how it was made."""

    recipe: Recipe
    features: TableVersion
    rows: dict[str, int]
    """Rows by cutoff."""
    digests: dict[str, str]
    """SHA-256 of the content by cutoff, rows in the order of their customers."""
    digest: str
    """One SHA-256 over all cutoffs: equal features, whatever file holds them."""

    @property
    def snapshot(self) -> DataSnapshot:
        """The lake's tables that were read."""
        return self.recipe.snapshot

    @property
    def settings(self) -> FeatureSettings:
        """The settings of the build."""
        return self.recipe.settings

    @property
    def cutoffs(self) -> Cutoffs:
        """The plan of the build."""
        return self.recipe.cutoffs

    @property
    def watermark(self) -> datetime:
        """When the newest row of the snapshot became available (UTC)."""
        return self.recipe.watermark

    def frame(self, cutoffs: Collection[date]) -> pl.DataFrame:
        """Read the rows of some cutoffs, sorted by cutoff and customer.

        Returns:
            `customer_id`, `cutoff`, the features, `churned`.

        Raises:
            ChurnError: a cutoff was not built, or a customer stands at one twice.
            SnapshotError: the table version is gone or was changed.
        """
        unknown = sorted(set(cutoffs) - set(self.cutoffs.all))
        if unknown:
            raise ChurnError(
                f"{self.features.uri}: no cutoff {', '.join(map(str, unknown))} in version {self.features.version}, "
                f"which has {', '.join(map(str, self.cutoffs.all))}"
            )
        table = DataSnapshot(tables={TABLE: self.features}).open(TABLE)
        columns = [CUSTOMER, CUTOFF, *self.recipe.columns, LABEL]
        rows = table.scan(columns, dates=set(cutoffs)).collect().sort(CUTOFF, CUSTOMER)
        twice = rows.height - rows.select(pl.struct(CUTOFF, CUSTOMER).n_unique()).item() if rows.height else 0
        if twice:
            raise ChurnError(
                f"{table.uri}: {twice} rows of version {table.version} repeat a customer and cutoff; build it again"
            )
        return rows
