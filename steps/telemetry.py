"""The platform at one moment as Prometheus' samples."""

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, get_args
from urllib.parse import urlsplit

from churn.telemetry import catalogue as its
from churn.telemetry.catalogue import Verdict
from churn.telemetry.metric import Sample

if TYPE_CHECKING:
    from churn.ingestion.overview import LakeState
    from steps.overview import DeploymentState, ModelState, Overview


def samples(
    seen: "Overview", verdicts: Mapping[Verdict, datetime], refreshed: datetime, seconds: float
) -> Iterator[Sample]:
    """Yield every sample of `churn.telemetry.catalogue`.

    Args:
        seen: the platform now.
        verdicts: when the monitor last gave each verdict; the latest is the one that holds.
        refreshed: now.
        seconds: what it took to see.
    """
    yield from _lake(seen.lake)
    yield its.REGISTRY_VERSIONS.of(seen.versions)
    for model in seen.models:
        yield from _model(model)
    if seen.ledger is not None:
        yield its.LEDGER_ENTRIES.of(seen.ledger.sequence)
        yield its.LEDGER_HEAD.of(seen.ledger.at)
    for one in seen.decisions:
        yield its.LEDGER_DECISIONS.of(one.committed, decision=one.decision)
        yield its.LEDGER_DECIDED.of(one.last, decision=one.decision)
    yield its.DISAGREEMENTS.of(len(seen.disagreements))
    if seen.deployment is not None:
        yield from _deployment(seen.deployment)
    yield from _monitor(verdicts)
    yield its.REFRESHED.of(refreshed)
    yield its.REFRESH_SECONDS.of(seconds)


def targets(deployment: "DeploymentState | None") -> bytes:
    """Return the deployment's servers for `http_sd_configs`; none where they do not run on this machine.

    Ports change with every rollout, so that no file could name them.
    """
    here = deployment is not None and deployment.url is not None and urlsplit(deployment.url).hostname == "127.0.0.1"
    servers = [f"127.0.0.1:{track.port}" for track in deployment.tracks if track.port] if deployment and here else []
    return json.dumps([{"targets": [server], "labels": {}} for server in servers]).encode()


def _lake(lake: "LakeState") -> Iterator[Sample]:
    for stream in lake.streams:
        for outcome in ("appended", "duplicate", "quarantined"):
            yield its.INGEST_ROWS.of(getattr(stream, outcome), stream=stream.stream, outcome=outcome)
        yield its.INGEST_OBJECTS.of(stream.objects, stream=stream.stream)
        if stream.closed_until is not None:
            yield its.INGEST_CLOSED_UNTIL.of(stream.closed_until, stream=stream.stream)
        if stream.newest_time is not None:
            yield its.INGEST_NEWEST_ROW.of(stream.newest_time, stream=stream.stream)
    for table in lake.tables:
        yield its.TABLE_ROWS.of(table.rows, table=table.table)
        yield its.TABLE_VERSION.of(table.version, table=table.table)
        yield its.TABLE_CHANGED.of(table.changed_at, table=table.table)


def _model(model: "ModelState") -> Iterator[Sample]:
    if model.version is None:
        return
    stage = model.stage
    yield its.REGISTRY_VERSION.of(1, stage=stage, version=model.version, candidate=model.candidate or "")
    if model.registered_at is not None:
        yield its.REGISTRY_TRAINED.of(model.registered_at, stage=stage)
    if model.since is not None:
        yield its.REGISTRY_ENTERED.of(model.since, stage=stage)
    for figure, value in model.metrics.items():
        yield its.REGISTRY_QUALITY.of(value, stage=stage, figure=figure)


def _deployment(deployment: "DeploymentState") -> Iterator[Sample]:
    yield its.DEPLOYMENT_FAULT.of(deployment.fault is not None, deployment=deployment.name)
    for track in deployment.tracks:
        labels = {"deployment": deployment.name, "track": track.track, "version": track.version}
        yield its.DEPLOYMENT_WEIGHT.of(track.weight / 100, **labels)
        yield its.DEPLOYMENT_READY.of(track.ready, **labels)
        yield its.DEPLOYMENT_RESTARTS.of(track.restarts, **labels)


def _monitor(verdicts: Mapping[Verdict, datetime]) -> Iterable[Sample]:
    latest = max(verdicts, key=lambda verdict: (verdicts[verdict], get_args(Verdict).index(verdict)), default=None)
    for verdict, given in verdicts.items():
        yield its.MONITOR_VERDICT.of(verdict == latest, verdict=verdict)
        yield its.MONITOR_GIVEN.of(given, verdict=verdict)
