"""The part of Envoy's v3 API that the gateway uses, typed; names are Envoy's own.

https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/api
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, SerializerFunctionWrapHandler, model_serializer

EXTENSIONS = "type.googleapis.com/envoy.extensions."

Seconds = Annotated[float, PlainSerializer(lambda seconds: f"{seconds:.3f}s", return_type=str)]


class Message(BaseModel):
    """Leaves out what is not set."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_serializer(mode="wrap")
    def _without_unset(self, serialise: SerializerFunctionWrapHandler) -> dict[str, object]:
        return {name: value for name, value in serialise(self).items() if value is not None}


class Typed(Message):
    """A message that travels as `Any`, with its type beside it."""

    model_config = ConfigDict(frozen=True, extra="forbid", serialize_by_alias=True, populate_by_name=True)

    type_url: str = Field(alias="@type")


class SocketAddress(Message):
    """Where something listens."""

    address: str = "127.0.0.1"
    port_value: int


class Address(Message):
    """The one kind of address in use."""

    socket_address: SocketAddress


class Endpoint(Message):
    """One server process."""

    address: Address


class LbEndpoint(Message):
    """An endpoint among those that share the load."""

    endpoint: Endpoint


class LocalityLbEndpoints(Message):
    """Endpoints in one place."""

    lb_endpoints: tuple[LbEndpoint, ...]


class LoadAssignment(Message):
    """The endpoints of a cluster."""

    cluster_name: str
    endpoints: tuple[LocalityLbEndpoints, ...]


class HttpHealthCheck(Message):
    """What is asked."""

    path: str


class HealthCheck(Message):
    """How often it is asked; a cluster without traffic is asked as often."""

    interval: Seconds
    no_traffic_interval: Seconds
    no_traffic_healthy_interval: Seconds
    timeout: Seconds
    unhealthy_threshold: int
    healthy_threshold: int
    http_health_check: HttpHealthCheck


class OutlierDetection(Message):
    """Ejects a server that fails in a row."""

    consecutive_5xx: int
    consecutive_gateway_failure: int
    interval: Seconds
    base_ejection_time: Seconds
    max_ejection_percent: int = 100


class Threshold(Message):
    """How much may be under way at once."""

    max_connections: int = 1024
    max_pending_requests: int = 1024
    max_requests: int = 1024
    max_retries: int = 1024


class CircuitBreakers(Message):
    """The limits of a cluster."""

    thresholds: tuple[Threshold, ...] = (Threshold(),)


class Percent(Message):
    """0 to 100."""

    value: float


class CommonLbConfig(Message):
    """Below this share of healthy servers the unhealthy ones are tried as well; 0 never tries them."""

    healthy_panic_threshold: Percent


class AggregateClusterConfig(Typed):
    """Clusters by preference: the next one is asked when the ones before are unhealthy."""

    type_url: str = Field(EXTENSIONS + "clusters.aggregate.v3.ClusterConfig", alias="@type")
    clusters: tuple[str, ...]


class CustomClusterType(Message):
    """A cluster made of others."""

    name: Literal["envoy.clusters.aggregate"] = "envoy.clusters.aggregate"
    typed_config: AggregateClusterConfig


class Cluster(Typed):
    """Servers that are exchangeable."""

    type_url: str = Field("type.googleapis.com/envoy.config.cluster.v3.Cluster", alias="@type")
    name: str
    type: Literal["STATIC"] | None = None
    cluster_type: CustomClusterType | None = None
    lb_policy: Literal["CLUSTER_PROVIDED"] | None = None
    connect_timeout: Seconds
    per_connection_buffer_limit_bytes: int
    circuit_breakers: CircuitBreakers = CircuitBreakers()
    common_lb_config: CommonLbConfig | None = None
    health_checks: tuple[HealthCheck, ...] | None = None
    close_connections_on_host_health_failure: bool | None = None
    outlier_detection: OutlierDetection | None = None
    load_assignment: LoadAssignment | None = None


class Clusters(Message):
    """`cds.json`."""

    version_info: str
    resources: tuple[Cluster, ...]
