"""From the lake to a version of the feature table."""

from typing import Annotated, Literal
from uuid import UUID

from zenml import get_step_context, log_metadata, step
from zenml.client import Client

from churn.errors import SnapshotError
from churn.features.build import build_features as build
from churn.features.feature_set import FeatureSet
from churn.features.tables import ACTIVITY
from churn.ingestion.alert import FailureKind
from churn.lake.snapshot import DataSnapshot, take_snapshot
from materializers.feature_set import FeatureSetMaterializer
from stacks.environment import active_settings, dbt_project, project_clock, work_folder
from steps.guard import failing_closed


@step(enable_cache=False, output_materializers=FeatureSetMaterializer)
def build_features(
    snapshot: str | None = None, purpose: Literal["training", "scoring"] = "training"
) -> Annotated[FeatureSet, "feature_set"]:
    """Build the features of a recorded snapshot (id of a `data_snapshot` artifact), or of the lake as it is now.

    Args:
        snapshot: none is the present.
        purpose: what the alert says has stopped when the build fails.
    """
    kind: FailureKind = "training_failed" if purpose == "training" else "scoring_failed"
    with failing_closed(f"{get_step_context().pipeline_run.name} build_features", kind):
        settings = active_settings()
        features = build(
            _recorded(snapshot) if snapshot else _present(settings.lake.url),
            settings.features,
            lake_url=settings.lake.url,
            dbt_dir=dbt_project(),
            work_dir=work_folder(),
            clock=project_clock().now,
        )
    log_metadata({"digest": features.digest, "version": features.features.version, **features.rows})
    return features


def _present(lake_url: str) -> DataSnapshot:
    snapshot = take_snapshot(lake_url)
    if ACTIVITY not in snapshot.tables:
        raise SnapshotError(f"{lake_url}: no activity in this lake; ingest some first: churn ingest")
    return snapshot


def _recorded(artifact: str) -> DataSnapshot:
    hint = "take the id of a data_snapshot artifact: zenml artifact version list --artifact=data_snapshot"
    try:
        snapshot = Client().get_artifact_version(UUID(artifact)).load()
    except (KeyError, ValueError):
        raise SnapshotError(f"{artifact}: no such artifact; {hint}") from None
    except OSError as error:
        raise SnapshotError(f"{artifact}: cannot be read ({type(error).__name__}); {hint}") from None
    if not isinstance(snapshot, DataSnapshot):
        raise SnapshotError(f"{artifact}: this artifact is no data snapshot; {hint}")
    return snapshot
