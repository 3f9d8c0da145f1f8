"""Runs of the hourly pipelines are not kept for good: what they found is in the lake, their pages are large."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from zenml.client import Client
from zenml.enums import ExecutionStatus
from zenml.models import ArtifactVersionUpdate

from churn.log import get_logger
from stacks.environment import active_environment

if TYPE_CHECKING:
    from zenml.artifact_stores import BaseArtifactStore
    from zenml.models import PipelineRunResponse, PipelineSnapshotResponse

log = get_logger(__name__)

HOURLY = ("ingest_activity", "monitor_model")
"""Pipelines whose reports are about an hour; those of training, promotion and rollouts are evidence, and stay."""
_MOST = 200
"""Runs with an end that one upkeep removes, four days of them; and as many without."""
_ARTIFACTS = 10
"""More than one of these runs makes."""
LEFT = "made-by-a-removed-run"
"""Tag of artifact versions that go once no run uses them."""
_DEAD = timedelta(days=7)
"""Age past that of finished runs at which one without an end was killed: its process had an hour's work to do. Had it
only slept until now, it would end as if it were killed now, which the lake bears at any point."""
_FINISHED = json.dumps([status.value for status in ExecutionStatus if status.is_finished])


def prune_runs(older_than: timedelta, now: datetime, *, own: UUID | None = None) -> int:
    """Remove old runs of the active stack's hourly pipelines with artifacts, pages and logs; returns how many.

    What cannot be removed is left to the next upkeep and keeps nothing else: an ingestion does not fail because of it.

    Args:
        older_than: time since a run began.
        now: the time.
        own: the run that asks, which stays however long it slept.
    """
    before, removed = now - older_than, 0
    with left_to_the_next_upkeep("runs"):
        for run in _old_runs(before):
            if run.id == own:
                continue
            with left_to_the_next_upkeep(f"run {run.name}"):
                _remove(run)
                removed += 1
    with left_to_the_next_upkeep("artifacts"):
        _remove_unused()
    if removed:  # MLflow's store is not opened, which may be to make it, for nothing
        with left_to_the_next_upkeep("pages in MLflow"):
            _forget_pages(before)
        log.info("runs_removed", runs=removed, before=before)
    return removed


@contextmanager
def left_to_the_next_upkeep(what: str) -> Iterator[None]:
    """Log an error of the body and go on; each server has errors of its own."""
    try:
        yield
    except Exception as error:
        log.warning("not_removed", what=what, error=type(error).__name__)


def _old_runs(before: datetime) -> "Iterator[PipelineRunResponse]":
    """Return runs that ended, and then those that will not any more: the young ones of these would fill the page."""
    client = Client()
    for pipeline in HOURLY:
        for began, status in ((before, f"oneof:{_FINISHED}"), (before - _DEAD, f"notoneof:{_FINISHED}")):
            found = client.list_pipeline_runs(
                pipeline=pipeline,
                stack_id=client.active_stack_model.id,
                created=f"lt:{began.astimezone(UTC):%Y-%m-%d %H:%M:%S}",
                status=status,
                sort_by="asc:created",
                size=_MOST // len(HOURLY),
                hydrate=True,
            )
            yield from found.items


def _remove(run: "PipelineRunResponse") -> None:
    """Remove a run and its logs; only then is seen who else uses what it made, which `_remove_unused` looks at."""
    client = Client()
    store = client.active_stack.artifact_store
    for step in run.steps.values():
        for artifact in (one for versions in step.outputs.values() for one in versions):
            if artifact.producer_pipeline_run_id == run.id:
                # The client's own way reads the artifact first, which makes it an input of the step that runs here.
                client.zen_store.update_artifact_version(artifact.id, ArtifactVersionUpdate(add_tags=[LEFT]))
    for collection in (run.log_collection, *(step.log_collection for step in run.steps.values())):
        for log_of_run in collection or ():
            if log_of_run.uri:
                _remove_files(store, log_of_run.uri)
    client.delete_pipeline_run(run.id)
    if run.snapshot is not None and not _goes_on(run.snapshot):
        client.delete_snapshot(run.snapshot.id)


def _remove_unused() -> None:
    """Remove what removed runs have made, also those of an upkeep that was cut short, unless a run has it as input."""
    client = Client()
    store = client.active_stack.artifact_store
    for artifact in client.list_artifact_versions(
        tags=LEFT, only_unused=True, artifact_store_id=store.id, size=_MOST * _ARTIFACTS
    ).items:
        with left_to_the_next_upkeep(f"artifact {artifact.id}"):
            _remove_files(store, artifact.uri)
            client.zen_store.delete_artifact_version(artifact.id)


def _remove_files(store: "BaseArtifactStore", place: str) -> None:
    if store.exists(place):
        store.rmtree(place) if store.isdir(place) else store.remove(place)


def _goes_on(snapshot: "PipelineSnapshotResponse") -> bool:
    """Tell whether further runs begin from a snapshot, or others have: ZenML removes them together with it."""
    if snapshot.name is not None or snapshot.schedule is not None:
        return True
    return Client().list_pipeline_runs(snapshot_id=snapshot.id, size=1).total > 0


def _forget_pages(before: datetime) -> None:
    """Remove what MLflow keeps of old examinations of the active environment; another one may share it.

    Those without the tag stay: nobody can tell whose they are.
    """
    tracker = Client().active_stack.experiment_tracker
    if tracker is None or not hasattr(tracker, "configure_mlflow"):
        return
    tracker.configure_mlflow()  # which gives it the address and the credentials
    from mlflow import MlflowClient
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    from steps.examine_model import ENVIRONMENT_TAG, EXPERIMENT

    tracking = MlflowClient()
    experiment = tracking.get_experiment_by_name(EXPERIMENT)
    if experiment is None:
        return
    ours = f"tags.{ENVIRONMENT_TAG} = '{active_environment()}'"
    old = f"attributes.start_time < {int(before.timestamp() * 1000)}"
    for run in tracking.search_runs([experiment.experiment_id], f"{ours} and {old}", max_results=_MOST):
        get_artifact_repository(run.info.artifact_uri).delete_artifacts()  # type: ignore[no-untyped-call]
        tracking.delete_run(run.info.run_id)
