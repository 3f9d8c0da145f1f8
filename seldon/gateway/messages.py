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


class Regex(Message):
    """RE2."""

    regex: str


class RegexSubstitution(Message):
    r"""`\0` in the substitution stands for the whole match."""

    pattern: Regex
    substitution: str


class HeaderHash(Message):
    """Takes a header, rewritten, as the key."""

    header_name: str
    regex_rewrite: RegexSubstitution


class HashPolicy(Message):
    """What the hash of a request is made of."""

    header: HeaderHash


class ClusterWeight(Message):
    """A cluster and its share in percent."""

    name: str
    weight: int


class WeightedClusters(Message):
    """The split; `runtime_key_prefix.cluster` overrides a weight without a file."""

    runtime_key_prefix: str
    use_hash_policy: bool | None = None
    clusters: tuple[ClusterWeight, ...]


class StringMatcher(Message):
    """A whole value that matches."""

    safe_regex: Regex


class HeaderMatcher(Message):
    """A header that must be there."""

    name: str
    string_match: StringMatcher


class RouteMatch(Message):
    """Which requests a route takes."""

    prefix: str | None = None
    safe_regex: Regex | None = None
    headers: tuple[HeaderMatcher, ...] | None = None


class BackOff(Message):
    """Fully jittered and exponential."""

    base_interval: Seconds
    max_interval: Seconds


class PreviousPriorities(Typed):
    """A further attempt goes to a cluster that was not tried yet."""

    type_url: str = Field(EXTENSIONS + "retry.priority.previous_priorities.v3.PreviousPrioritiesConfig", alias="@type")
    update_frequency: int = 1


class RetryPriority(Message):
    """Who gets a further attempt."""

    name: Literal["envoy.retry_priorities.previous_priorities"] = "envoy.retry_priorities.previous_priorities"
    typed_config: PreviousPriorities


class RetryPolicy(Message):
    """When there is a further attempt."""

    retry_on: str
    num_retries: int
    per_try_timeout: Seconds | None = None
    retry_back_off: BackOff
    retry_priority: RetryPriority | None = None


class FractionalPercent(Message):
    """A share in percent."""

    numerator: int


class RuntimeFraction(Message):
    """A share that `runtime_key` overrides."""

    default_value: FractionalPercent
    runtime_key: str


class MirrorPolicy(Message):
    """Who gets a copy; its answer is thrown away."""

    cluster: str
    runtime_fraction: RuntimeFraction


class RouteAction(Message):
    """Where a request goes."""

    regex_rewrite: RegexSubstitution
    cluster: str | None = None
    weighted_clusters: WeightedClusters | None = None
    hash_policy: tuple[HashPolicy, ...] | None = None
    timeout: Seconds
    retry_policy: RetryPolicy
    request_mirror_policies: tuple[MirrorPolicy, ...] | None = None


class DataSource(Message):
    """Text."""

    inline_string: str


class DirectResponse(Message):
    """An answer by Envoy itself."""

    status: int
    body: DataSource


class Metadata(Message):
    """What the access log tells of a route."""

    filter_metadata: dict[str, dict[str, str | int | bool | None]]


class Route(Message):
    """Requests that match, and what becomes of them."""

    match: RouteMatch
    metadata: Metadata | None = None
    route: RouteAction | None = None
    direct_response: DirectResponse | None = None


class VirtualHost(Message):
    """Routes, the first that matches decides."""

    name: str
    domains: tuple[str, ...] = ("*",)
    routes: tuple[Route, ...]


class RouteConfiguration(Typed):
    """All routes of the listener."""

    type_url: str = Field("type.googleapis.com/envoy.config.route.v3.RouteConfiguration", alias="@type")
    name: str
    virtual_hosts: tuple[VirtualHost, ...]


class Clusters(Message):
    """`cds.json`."""

    version_info: str
    resources: tuple[Cluster, ...]


class Routes(Message):
    """`rds.json`."""

    version_info: str
    resources: tuple[RouteConfiguration, ...]
