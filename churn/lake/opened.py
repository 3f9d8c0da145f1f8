"""Tables that a run has open, so that it reads a log again only where somebody else has committed."""

import polars as pl

from churn.lake.create import create_table
from churn.lake.files import local_or_url
from churn.lake.opening import is_latest
from churn.lake.schema import missing_columns
from churn.lake.table import Pinned, open_table


class Opened:
    """The newest version seen of each table; whoever asks gets the latest one there is."""

    def __init__(self) -> None:
        """Start with nothing open."""
        self._tables: dict[str, Pinned] = {}

    def open(self, uri: str) -> Pinned | None:
        """Return the latest version of a table; none when there is no table.

        Raises:
            ChurnError: the table exists but cannot be opened.
        """
        known = self._tables.get(local_or_url(uri))
        if known is not None and is_latest(known.uri, known.version):
            return known
        table = open_table(uri)
        return None if table is None else self.follow(table)

    def create(self, uri: str, schema: pl.Schema, *, name: str, partition_by: str | None = None) -> Pinned:
        """Return the latest version of a table that has these columns, making it or adding them where it must.

        Raises:
            ChurnError: as `create_table`.
        """
        known = self.open(uri)
        if known is not None and known.partition_by == partition_by and not missing_columns(uri, known.schema, schema):
            return known
        return self.follow(create_table(uri, schema, name=name, partition_by=partition_by))

    def follow(self, table: Pinned) -> Pinned:
        """Take a table as the newest version seen, as after a commit, and return it."""
        self._tables[table.uri] = table
        return table
