"""The data snapshot: JSON, and a small table of the versions it pins."""

from typing import Any, ClassVar

from zenml.metadata.metadata_types import MetadataType

from churn.lake.snapshot import DataSnapshot
from materializers.json_model import JsonModelMaterializer
from materializers.pages import render


class DataSnapshotMaterializer(JsonModelMaterializer):
    """Stores a DataSnapshot."""

    SKIP_REGISTRATION: ClassVar[bool] = False
    ASSOCIATED_TYPES: ClassVar[tuple[type[Any], ...]] = (DataSnapshot,)

    def page(self, data: DataSnapshot) -> str:
        """Draw one line per table."""
        return render("data_snapshot.html.j2", title="Data snapshot", snapshot=data)

    def extract_metadata(self, data: DataSnapshot) -> dict[str, MetadataType]:
        """Return the version of each table."""
        return {f"{name}_version": table.version for name, table in data.tables.items()}
