"""Everything a person asks about first, on one page: lake, models, deployment, ledger, and what disagrees."""

from collections.abc import Sequence
from datetime import datetime

from pydantic import Field

from churn.frozen import Frozen
from churn.ingestion.overview import LakeState, lake_state
from churn.ledger.agreement import disagreements
from churn.ledger.entry import Decision, Entry, Stage
from churn.ledger.standing import standing
from churn.monitoring.record import last_verdict
from seldon.deployment import DeploymentNotReady
from seldon.gateway.state import LocalServer, ObservedServer
from stacks.deployer import NoDeployer, active_deployment
from stacks.environment import active_environment, active_settings, project_clock
from steps.registry import active_ledger, active_registry
from steps.serve_production import unserved

_STAGES: tuple[Stage, ...] = ("production", "staging")


class ModelState(Frozen):
    """The version that holds a stage.

    Attributes:
        version: none where the stage is empty.
        candidate: its kind of model; none where ZenML has lost it.
        metrics: on its test cutoff.
        registered_at: when it was trained.
        since: when it came into the stage.
    """

    stage: Stage
    version: str | None = None
    candidate: str | None = None
    metrics: dict[str, float] = Field(default_factory=dict)
    registered_at: datetime | None = None
    since: datetime | None = None


class TrackState(Frozen):
    """A server behind the deployment's path."""

    track: str
    version: str
    weight: int
    ready: bool
    restarts: int
    port: int | None


class DeploymentState(Frozen):
    """Who answers predictions.

    Attributes:
        url: up to the Seldon paths; none where nothing runs.
    """

    name: str
    url: str | None
    tracks: tuple[TrackState, ...]
    fault: str | None


class LastVerdict(Frozen):
    """What the monitoring said last."""

    decision: str
    version: str
    at: datetime
    reason: str


class LedgerHead(Frozen):
    """The last entry."""

    sequence: int
    hash: str
    at: datetime
    decision: str


class DecisionState(Frozen):
    """How often a decision was committed, and when last."""

    decision: Decision
    committed: int
    last: datetime


class Overview(Frozen):
    """The platform at one moment.

    Attributes:
        at: none for now.
        clock: the project's, while it lives through the past; else none.
        deployment: none where the stack cannot deploy, and for the past: the ledger says which version was live.
        disagreements: between ledger, ZenML, MLflow and the deployment; only known for now.
    """

    environment: str
    at: datetime | None
    clock: datetime | None
    lake: LakeState
    models: tuple[ModelState, ...]
    versions: int
    deployment: DeploymentState | None
    verdict: LastVerdict | None
    ledger: LedgerHead | None
    decisions: tuple[DecisionState, ...]
    disagreements: tuple[str, ...]


def overview(at: datetime | None = None) -> Overview:
    """Look at the environment of the active stack, as it is or as it was.

    Raises:
        ChurnError: lake or ledger cannot be read.
    """
    entries = [entry for entry in active_ledger().entries() if at is None or entry.at <= at]
    stands = standing(entries)
    found: tuple[str, ...] = ()
    if at is None:
        found = (*disagreements(stands, active_registry().observe(active_ledger())), *_unserved())
    last, clock = entries[-1] if entries else None, project_clock()
    return Overview(
        environment=active_environment(),
        at=at,
        clock=clock.now() if clock.behind() else None,
        lake=lake_state(active_settings().lake.url, at),
        models=tuple(_model(stage, stands.holder(stage), entries) for stage in _STAGES),
        versions=len(stands.stages),
        deployment=_deployment() if at is None else None,
        verdict=_verdict(at),
        ledger=LedgerHead(sequence=last.sequence, hash=last.hash, at=last.at, decision=last.decision) if last else None,
        decisions=_decisions(entries),
        disagreements=found,
    )


def _model(stage: Stage, version: str | None, entries: Sequence[Entry]) -> ModelState:
    if version is None:
        return ModelState(stage=stage)
    facts = active_registry().facts(version)
    mine = [entry for entry in entries if entry.version == version and entry.phase == "committed"]
    return ModelState(
        stage=stage,
        version=version,
        candidate=str(facts["candidate"]) if "candidate" in facts else None,
        metrics={
            name: value
            for name in ("roc_auc", "brier")
            if isinstance(value := facts.get(name), float) and value == value
        },
        registered_at=next((entry.at for entry in mine if entry.decision == "registered"), None),
        since=next((entry.at for entry in reversed(mine) if entry.stage == stage), None),
    )


def _verdict(at: datetime | None) -> LastVerdict | None:
    found = last_verdict(active_settings().lake.url, at)
    if found is None:
        return None
    return LastVerdict(decision=found.decision, version=found.version, at=found.at, reason=found.reason)


def _decisions(entries: Sequence[Entry]) -> tuple[DecisionState, ...]:
    by_decision: dict[Decision, list[datetime]] = {}
    for entry in entries:
        if entry.phase == "committed":
            by_decision.setdefault(entry.decision, []).append(entry.at)
    return tuple(
        DecisionState(decision=decision, committed=len(times), last=times[-1])
        for decision, times in by_decision.items()
    )


def _unserved() -> tuple[str, ...]:
    try:
        return unserved()
    except DeploymentNotReady as error:
        return (str(error),)


def _deployment() -> DeploymentState | None:
    try:
        place, deployment = active_deployment()
    except NoDeployer:
        return None
    try:
        observed, desired = deployment.observe(), deployment.desired()
    except DeploymentNotReady as error:
        return DeploymentState(name=str(place), url=None, tracks=(), fault=str(error))
    if observed is None:
        return DeploymentState(name=str(place), url=None, tracks=(), fault=None)
    weight = desired.canary_weight if desired else 0
    tracks = (("stable", observed.stable, 100 - weight), ("canary", observed.canary, weight))
    try:
        url = deployment.gateway_url()
    except DeploymentNotReady:
        url = None
    return DeploymentState(
        name=str(place),
        url=url,
        tracks=tuple(_track(name, server, share) for name, server, share in tracks if server is not None),
        fault=observed.fault,
    )


def _track(name: str, server: ObservedServer, weight: int) -> TrackState:
    return TrackState(
        track=name,
        version=server.version,
        weight=weight,
        ready=server.ready,
        restarts=server.restarts,
        port=server.port if isinstance(server, LocalServer) else None,
    )
