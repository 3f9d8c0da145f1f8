"""The part of Envoy's v3 API that routes requests, typed; names are Envoy's own."""

from typing import Literal

from pydantic import Field

from seldon.gateway.messages import EXTENSIONS, Message, Seconds, Typed


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
    """What a header must be; inverted, what it must not be, so that it may be missing."""

    name: str
    string_match: StringMatcher
    invert_match: bool | None = None


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


class Routes(Message):
    """`rds.json`."""

    version_info: str
    resources: tuple[RouteConfiguration, ...]
