"""Which version of every table a run read: enough to run it again on the same rows."""

import hashlib
import json
from collections.abc import Collection

from pydantic import BaseModel, ConfigDict

from churn.errors import ChurnError, SnapshotError
from churn.lake.files import local_or_url, sizes
from churn.lake.table import Pinned, open_table

SNAPSHOT_TABLES = ("activity", "customers", "subscriptions", "quarantine")
"""Never `subjects`: the map from persons to tokens changes when one is erased, and no model may depend on it."""


class TableVersion(BaseModel):
    """One table at one version; `digest` covers its schema and the names, sizes and rows of its files."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    uri: str
    version: int
    rows: int
    digest: str


class DataSnapshot(BaseModel):
    """The tables a run read, by name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tables: dict[str, TableVersion]

    @property
    def digest(self) -> str:
        """One SHA-256 for all tables; the same rows moved to another place keep it."""
        return _sha256(sorted((name, table.version, table.digest) for name, table in self.tables.items()))

    def open(self, name: str) -> Pinned:
        """Open a table at its recorded version.

        Raises:
            SnapshotError: the version is missing, was vacuumed, or is not what was recorded.
        """
        if name not in self.tables:
            raise SnapshotError(f"{name}: not in this snapshot, which holds {', '.join(sorted(self.tables)) or 'none'}")
        recorded = self.tables[name]
        where = f"{recorded.uri} at version {recorded.version}"
        try:
            table = open_table(recorded.uri, recorded.version)
        except ChurnError as error:
            raise SnapshotError(f"{where}: missing; {error}") from None
        if table is None:
            raise SnapshotError(f"{where}: missing, there is no table; restore the lake from a copy")
        if digest_of(table) != recorded.digest:
            raise SnapshotError(f"{where}: altered, its log names other files than recorded; restore it from a copy")
        _check_files(table, where)
        return table

    def verify(self) -> None:
        """Open every table.

        Raises:
            SnapshotError: as `open`.
        """
        for name in self.tables:
            self.open(name)


def take_snapshot(lake_url: str, names: Collection[str] | None = None) -> DataSnapshot:
    """Record the latest versions of the tables named, or of all known tables that exist.

    Raises:
        SnapshotError: a table named does not exist.
    """
    lake_url = local_or_url(lake_url)
    tables = {}
    for name in SNAPSHOT_TABLES if names is None else names:
        table = open_table(f"{lake_url}/{name}")
        if table is not None:
            tables[name] = TableVersion(uri=table.uri, version=table.version, rows=table.rows, digest=digest_of(table))
        elif names is not None:
            raise SnapshotError(f"{lake_url}/{name}: missing, there is no table; ingest it first")
    return DataSnapshot(tables=tables)


def digest_of(table: Pinned) -> str:
    """Return the SHA-256 of the schema and of every file's path, size and rows; no data is read."""
    return _sha256([table.schema_json, table.active.select("path", "size", "rows").rows()])


def _check_files(table: Pinned, where: str) -> None:
    present = sizes(table.uri)
    gone = {path for path in table.active["path"] if path not in present}
    if gone:
        latest = open_table(table.uri)
        lost = latest is not None and not gone.isdisjoint(latest.active["path"])
        cause = (
            "missing, files that the latest version needs too were deleted; restore the lake from a copy"
            if lost
            else "vacuumed, it was not pinned; take a snapshot of a newer version, or restore its files from a copy"
        )
        raise SnapshotError(f"{where}: {len(gone)} of {table.active.height} files are {cause}")
    altered = sum(present[path] != size for path, size in table.active.select("path", "size").rows())
    if altered:
        raise SnapshotError(f"{where}: altered, {altered} files have another size; restore them from a copy")


def _sha256(value: object) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()
