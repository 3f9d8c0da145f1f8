"""Reads from the lake what a candidate is judged on: its held-out rows, and how fresh its data is."""

from dataclasses import dataclass
from datetime import datetime

import polars as pl

from churn.bundle.manifest import Lineage
from churn.errors import ChurnError, SnapshotError
from churn.features.catalogue import TABLE
from churn.features.feature_set import FeatureSet
from churn.features.publish import newest_build
from churn.features.tables import ACTIVITY
from churn.lake.files import local_or_url
from churn.lake.snapshot import DataSnapshot
from churn.lake.table import open_table


@dataclass(frozen=True)
class LakeData:
    """The lake at `lake_url`; a candidate's own tables are read where its lineage names them."""

    lake_url: str

    def rows(self, lineage: Lineage) -> pl.DataFrame:
        """Return the rows of the candidate's test cutoff, sorted by customer.

        Raises:
            SnapshotError: the version of the feature table is gone, was changed, or holds other features.
        """
        return _build_of(lineage).frame([lineage.cutoffs.test])

    def newest_customers(self, lineage: Lineage) -> pl.DataFrame:
        """Return the rows of the newest cutoff behind the candidate, whose outcomes nobody knows yet.

        Raises:
            SnapshotError: as `rows`.
        """
        return _build_of(lineage).frame([lineage.cutoffs.latest])

    def known_until(self, lineage: Lineage) -> datetime:
        """Return when the newest row behind the candidate's features became available.

        Raises:
            SnapshotError: as `rows`.
        """
        return _build_of(lineage).watermark

    def newest(self) -> datetime:
        """Return when the newest row of the lake's activity became available.

        Raises:
            ChurnError: there is no activity.
        """
        uri = f"{local_or_url(self.lake_url)}/{ACTIVITY}"
        table = open_table(uri)
        newest = table.scan(["available_at"]).max().collect().item() if table is not None else None
        if not isinstance(newest, datetime):
            raise ChurnError(f"{uri}: holds no activity, so nobody can tell how fresh the data is; ingest it first")
        return newest


def _build_of(lineage: Lineage) -> FeatureSet:
    where = f"{lineage.features.uri} at version {lineage.features.version}"
    build = newest_build(DataSnapshot(tables={TABLE: lineage.features}).open(TABLE))
    if build is None or build.digest != lineage.features_digest:
        raise SnapshotError(f"{where}: holds other features than the candidate learned from; restore it from a copy")
    return build
