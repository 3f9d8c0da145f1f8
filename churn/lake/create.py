"""Delta tables that come into being, or get the columns they lack, whoever else does so at the same time."""

import polars as pl
from deltalake import CommitProperties, DeltaTable
from deltalake import Schema as DeltaSchema
from deltalake.exceptions import DeltaError

from churn.errors import ChurnError
from churn.lake.files import SEQUENCE_COLUMN, local_or_url
from churn.lake.opening import first_line
from churn.lake.schema import exact_fields, missing_columns
from churn.lake.table import Pinned, open_table

_CONFIGURATION = {
    # Checkpoints would otherwise delete log entries after 30 days, and with them the versions models pin.
    "delta.enableExpiredLogCleanup": "false",
    "delta.checkpointInterval": "20",
}
_SEQUENCE_STATISTICS = {"delta.dataSkippingStatsColumns": SEQUENCE_COLUMN}
"""Says which column has min and max: Delta's PyArrow reader takes the others for null in all rows and skips them."""
_CREATE_ATTEMPTS = 10
_ALONE = CommitProperties(max_commit_retries=0)
"""Of two `create` at once Delta's retry would commit the second one over the first, whose columns are then gone."""


def create_table(uri: str, schema: pl.Schema, *, name: str, partition_by: str | None = None) -> Pinned:
    """Open the table, creating it or adding the columns it lacks; safe when several processes do so at once.

    Raises:
        ChurnError: a type has no exact Delta counterpart, or the table holds a column under another type.
    """
    uri = local_or_url(uri)
    lost: DeltaError | None = None
    for _ in range(_CREATE_ATTEMPTS):
        table = open_table(uri)
        try:
            if table is None:
                DeltaTable.create(
                    uri,
                    schema=DeltaSchema(exact_fields(uri, schema)),
                    name=name,
                    partition_by=[partition_by] if partition_by else [],
                    configuration=_CONFIGURATION | (_SEQUENCE_STATISTICS if SEQUENCE_COLUMN in schema else {}),
                    commit_properties=_ALONE,
                )
                continue
            if table.partition_by != partition_by:
                raise ChurnError(f"{uri}: partitioned by {table.partition_by}, not by {partition_by}; use another URI")
            missing = missing_columns(uri, table.schema, schema)
            if not missing:
                return table
            added = [one for one in exact_fields(uri, schema) if one.name in missing]
            DeltaTable(uri, version=table.version).alter.add_columns(added, commit_properties=_ALONE)
        except DeltaError as error:
            lost = error
    raise ChurnError(f"{uri}: could not be created or evolved: {first_line(lost)}")
