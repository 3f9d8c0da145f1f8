"""Envoy's clusters: one for each server, and for a rollout two that fall back on one another."""

from collections.abc import Collection
from itertools import permutations
from typing import Final

from seldon.gateway.messages import (
    Address,
    AggregateClusterConfig,
    Cluster,
    Clusters,
    CommonLbConfig,
    CustomClusterType,
    Endpoint,
    HealthCheck,
    HttpHealthCheck,
    LbEndpoint,
    LoadAssignment,
    LocalityLbEndpoints,
    OutlierDetection,
    Percent,
    SocketAddress,
)
from seldon.gateway.settings import GatewaySettings
from seldon.gateway.split import Slot
from seldon.gateway.versioned import version_of

READY: Final = "/health/status"
_CONNECT_SECONDS: Final = 0.5


def with_fallback(first: Slot, second: Slot) -> str:
    """Return the name of the cluster that prefers one server and falls back on the other."""
    return f"{first.name}-or-{second.name}"


def clusters(slots: Collection[Slot], settings: GatewaySettings) -> Clusters:
    """Return the clusters of these servers and of every pair that a route may name, also of one that leaves."""
    found = [_server(slot, settings) for slot in slots]
    found += [_pair(one, other, settings) for one, other in permutations(slots, 2) if one.track != other.track]
    resources = tuple(sorted(found, key=lambda cluster: cluster.name))
    return Clusters(version_info=version_of(resources), resources=resources)


def _server(slot: Slot, settings: GatewaySettings) -> Cluster:
    """Return the cluster of one server.

    A canary that fails is left alone, its requests go to stable. Stable is asked even when it seems to be down: it
    comes back within seconds, and until then the attempts of a request wait for it.
    """
    canary = slot.track == "canary"
    endpoint = Endpoint(address=Address(socket_address=SocketAddress(port_value=slot.port)))
    return Cluster(
        name=slot.name,
        type="STATIC",
        connect_timeout=_CONNECT_SECONDS,
        per_connection_buffer_limit_bytes=settings.body_bytes,
        common_lb_config=CommonLbConfig(healthy_panic_threshold=Percent(value=0 if canary else 100)),
        health_checks=(
            HealthCheck(
                interval=settings.health_seconds,
                no_traffic_interval=settings.health_seconds,
                no_traffic_healthy_interval=settings.health_seconds,
                timeout=settings.health_timeout_seconds,
                unhealthy_threshold=2,
                healthy_threshold=1,
                http_health_check=HttpHealthCheck(path=READY),
            ),
        ),
        close_connections_on_host_health_failure=True,
        outlier_detection=_outliers(settings) if canary else None,
        load_assignment=LoadAssignment(
            cluster_name=slot.name, endpoints=(LocalityLbEndpoints(lb_endpoints=(LbEndpoint(endpoint=endpoint),)),)
        ),
    )


def _outliers(settings: GatewaySettings) -> OutlierDetection:
    return OutlierDetection(
        consecutive_5xx=5,
        consecutive_gateway_failure=3,
        interval=1.0,
        base_ejection_time=settings.ejected_seconds,
    )


def _pair(first: Slot, second: Slot, settings: GatewaySettings) -> Cluster:
    return Cluster(
        name=with_fallback(first, second),
        cluster_type=CustomClusterType(typed_config=AggregateClusterConfig(clusters=(first.name, second.name))),
        lb_policy="CLUSTER_PROVIDED",
        connect_timeout=_CONNECT_SECONDS,
        per_connection_buffer_limit_bytes=settings.body_bytes,
    )
