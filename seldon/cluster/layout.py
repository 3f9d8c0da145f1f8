"""Who answers which share, and the manifest that says so."""

from churn.frozen import Frozen
from seldon.cluster.manifest import (
    Autoscaler,
    ComponentSpec,
    Container,
    ContainerPort,
    DisruptionBudget,
    EmptyDir,
    Endpoint,
    EnvFrom,
    HttpGet,
    Metric,
    NamedSecret,
    PodSpec,
    Predictor,
    Probe,
    Resources,
    ResourceTarget,
    Spec,
    Unit,
    Volume,
    VolumeMount,
)
from seldon.cluster.settings import PORT, ClusterSettings
from seldon.gateway.state import TRACKS, Desired, Server, Track

CONTAINER = "churn"
"""Of the prediction server; the node of the graph has to have the same name."""

PREFIX = "churn-platform"
DEPLOYMENT_LABEL, TRACK_LABEL = f"{PREFIX}/deployment", f"{PREFIX}/track"
SERVER = f"{PREFIX}/server"
"""Annotation of a predictor, and so of its pods: the whole `Server`."""

_START_SECONDS = 60


class Layout(Frozen):
    """Predictors and their shares."""

    stable: Server
    canary: Server | None = None
    weight: int = 0
    mirror: bool = False

    def server(self, track: Track) -> Server | None:
        """Return who serves a track."""
        return self.stable if track == "stable" else self.canary

    @property
    def tracks(self) -> tuple[Track, ...]:
        """Those that somebody serves."""
        return tuple(track for track in TRACKS if self.server(track) is not None)

    def shadow(self, track: Track) -> bool:
        """Tell whether a track answers nobody.

        It is a shadow then, never a predictor with a traffic of 0: the first predictor's share is left to the ingress,
        and one at 0 of 100 has been seen to get half of the requests.
        """
        return self.canary is not None and self.weight == (0 if track == "canary" else 100)

    def traffic(self, track: Track) -> int:
        """Return a track's share in percent; that of a shadow is the share it gets copies of."""
        if self.shadow(track):
            return 100 if self.mirror and track == "canary" else 0
        if self.canary is None or self.weight in (0, 100):
            return 100
        return self.weight if track == "canary" else 100 - self.weight


def layout_of(desired: Desired) -> Layout:
    """Return what a wish comes to; a deployment without a stable server cannot be had here.

    Raises:
        ValueError: nobody is to serve.
    """
    if desired.stable is None:
        raise ValueError(f"{desired.namespace}/{desired.deployment}: there is no stable server to deploy")
    return Layout(stable=desired.stable, canary=desired.canary, weight=desired.canary_weight, mirror=desired.mirror)


def spec_of(layout: Layout, namespace: str, name: str, settings: ClusterSettings) -> Spec:
    """Return the specification of a layout."""
    return Spec(
        predictors=tuple(
            _predictor(track, server, layout, namespace, name, settings)
            for track in TRACKS
            if (server := layout.server(track)) is not None
        )
    )


def _predictor(
    track: Track, server: Server, layout: Layout, namespace: str, name: str, settings: ClusterSettings
) -> Predictor:
    return Predictor(
        name=track,
        replicas=settings.replicas,
        traffic=layout.traffic(track),
        shadow=True if layout.shadow(track) else None,
        labels={DEPLOYMENT_LABEL: name, TRACK_LABEL: track, "version": server.version},
        annotations={SERVER: server.model_dump_json()},
        component_specs=(
            ComponentSpec(
                spec=_pod(track, server, namespace, name, settings),
                hpa_spec=_autoscaler(settings),
                pdb_spec=DisruptionBudget() if settings.replicas > 1 else None,
            ),
        ),
        graph=Unit(name=CONTAINER, endpoint=Endpoint(http_port=PORT)),
    )


def _pod(track: Track, server: Server, namespace: str, name: str, settings: ClusterSettings) -> PodSpec:
    container = Container(
        name=CONTAINER,
        image=settings.image,
        args=_arguments(track, server, namespace, name, settings),
        ports=(ContainerPort(name="http", container_port=PORT),),
        env_from=(EnvFrom(secret_ref=NamedSecret(name=settings.env_secret)),) if settings.env_secret else None,
        resources=Resources(
            requests={"cpu": settings.cpu, "memory": settings.memory},
            limits={"cpu": settings.cpu_limit, "memory": settings.memory},
        ),
        volume_mounts=(VolumeMount(name="tmp", mount_path="/tmp"),),
        startup_probe=_probe("/health/status", period=1, misses=_START_SECONDS),
        readiness_probe=_probe("/health/status", period=2, misses=2),
        liveness_probe=_probe("/health/ping", period=5, misses=3),
    )
    return PodSpec(
        containers=(container,),
        volumes=(Volume(name="tmp", empty_dir=EmptyDir(size_limit="1Gi")),),
        service_account_name=settings.service_account,
        termination_grace_period_seconds=settings.grace_seconds,
    )


def _arguments(track: Track, server: Server, namespace: str, name: str, settings: ClusterSettings) -> tuple[str, ...]:
    options = {
        "--bundle": server.bundle,
        "--digest": server.digest,
        "--version": server.version,
        "--track": track,
        "--namespace": namespace,
        "--deployment": name,
        "--host": "0.0.0.0",
        "--port": str(PORT),
        "--log-to": settings.landing,
        "--log-seconds": str(settings.log_seconds),
        "--drain-seconds": str(settings.drain_seconds),
        # Half of it new connections are taken: the cluster's proxies hear of the end of a pod late.
        "--grace-seconds": str(settings.drain_seconds / 2),
        **({"--drill": str(server.drill)} if server.drill else {}),
    }
    return (*(word for option in options.items() for word in option), *settings.customers)


def _probe(path: str, *, period: int, misses: int) -> Probe:
    return Probe(
        http_get=HttpGet(path=path, port="http"), period_seconds=period, timeout_seconds=2, failure_threshold=misses
    )


def _autoscaler(settings: ClusterSettings) -> Autoscaler | None:
    if settings.max_replicas <= settings.replicas:
        return None
    target = ResourceTarget(target_average_utilization=settings.busy_percent)
    return Autoscaler(
        min_replicas=settings.replicas, max_replicas=settings.max_replicas, metrics=(Metric(resource=target),)
    )
