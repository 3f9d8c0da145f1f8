"""From the lake to a version of the feature table."""

from datetime import UTC, datetime
from typing import Annotated

from zenml import get_step_context, log_metadata, step
from zenml.client import Client

from churn.errors import SnapshotError
from churn.features.build import build_features as build
from churn.features.feature_set import FeatureSet
from churn.lake.snapshot import DataSnapshot, take_snapshot
from materializers.feature_set import FeatureSetMaterializer
from stacks.environment import active_settings, dbt_project, work_folder
from steps.guard import failing_closed


@step(enable_cache=False, output_materializers=FeatureSetMaterializer)
def build_features(snapshot: str | None = None) -> Annotated[FeatureSet, "feature_set"]:
    """Build the features of a recorded snapshot (id of a `data_snapshot` artifact), or of the lake as it is now."""
    with failing_closed(f"{get_step_context().pipeline_run.name} build_features", "training_failed"):
        settings = active_settings()
        features = build(
            _recorded(snapshot) if snapshot else take_snapshot(settings.lake.url),
            settings.features,
            lake_url=settings.lake.url,
            dbt_dir=dbt_project(),
            work_dir=work_folder(),
            clock=lambda: datetime.now(UTC),
        )
    log_metadata({"digest": features.digest, "version": features.features.version, **features.rows})
    return features


def _recorded(artifact: str) -> DataSnapshot:
    advice = "take the id of one that zenml artifact version list --artifact=data_snapshot shows"
    try:
        version = Client().get_artifact_version(artifact)
    except KeyError:
        raise SnapshotError(f"snapshot {artifact}: there is no such artifact; {advice}") from None
    if version.artifact.name != "data_snapshot":
        raise SnapshotError(f"snapshot {artifact}: it is a {version.artifact.name}, no data_snapshot; {advice}")
    try:
        snapshot = version.load()
    except (OSError, ValueError) as error:
        raise SnapshotError(
            f"snapshot {artifact}: unreadable ({type(error).__name__}) at {version.uri}; {advice}"
        ) from None
    if not isinstance(snapshot, DataSnapshot):
        raise SnapshotError(f"snapshot {artifact}: it is no data snapshot; {advice}")
    return snapshot
