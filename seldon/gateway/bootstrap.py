"""What Envoy is started with: one listener and the admin API on loopback, everything else from files it watches."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from seldon.gateway.folder import DeploymentFolder
from seldon.gateway.messages import EXTENSIONS, Address, Message, SocketAddress, Typed
from seldon.gateway.route_messages import HeaderMatcher, Regex, StringMatcher
from seldon.gateway.settings import GatewaySettings

ROUTES = "seldon"
CUSTOMER = "x-customer-id"

ACCESS_LOG_FIELDS = {
    "at": "%START_TIME(%Y-%m-%dT%H:%M:%S.%6f)%",
    "request_id": "%RESPONSE_HEADER(X-REQUEST-ID):128%",
    "customer": "%REQUEST_HEADER(X-CUSTOMER-ID):256%",
    "prediction": "%METADATA(ROUTE:churn:prediction)%",
    "assigned": "%UPSTREAM_CLUSTER%",
    "generation": "%METADATA(ROUTE:churn:generation)%",
    "weight": "%METADATA(ROUTE:churn:weight)%",
    "mirror": "%METADATA(ROUTE:churn:mirror)%",
    "rollout": "%METADATA(ROUTE:churn:rollout)%",
    "upstream": "%UPSTREAM_HOST%",
    "code": "%RESPONSE_CODE%",
    "details": "%RESPONSE_CODE_DETAILS%",
    "flags": "%RESPONSE_FLAGS%",
    "microseconds": "%COMMON_DURATION(DS_RX_BEG:DS_TX_END:us)%",
    "attempts": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
    "version": "%RESPONSE_HEADER(X-CHURN-VERSION):64%",
    "track": "%RESPONSE_HEADER(X-CHURN-TRACK):16%",
}
"""A line of the access log; `assigned` names the cluster that the weights chose, `track` who answered in the end.

Nothing stands in it that a client made up: no path, no request id that the server did not accept, and of customers
only tokens. `prediction` tells whether a prediction was asked for.
"""
_TOKEN = "cus_[0-9a-f]{32}"


class PathConfigSource(Message):
    """A file, read again when another is moved over it."""

    path: Path


class ConfigSource(Message):
    """Where a part of the configuration comes from."""

    resource_api_version: Literal["V3"] = "V3"
    path_config_source: PathConfigSource


class Rds(Message):
    """Which routes, and from where."""

    route_config_name: str
    config_source: ConfigSource


class LogFormat(Message):
    """One JSON object a request."""

    json_format: dict[str, str]


class FileAccessLog(Typed):
    """A file, written four times a second."""

    type_url: str = Field(EXTENSIONS + "access_loggers.file.v3.FileAccessLog", alias="@type")
    path: Path
    log_format: LogFormat


class HeaderFilter(Message):
    """Lets a request through by one header."""

    header: HeaderMatcher


class AccessLogFilter(Message):
    """Which requests a log takes."""

    header_filter: HeaderFilter


class AccessLog(Message):
    """One of the two that write the access log."""

    name: Literal["envoy.access_loggers.file"] = "envoy.access_loggers.file"
    filter: AccessLogFilter
    typed_config: FileAccessLog


class UuidRequestId(Typed):
    """A request keeps the id it came with, untouched."""

    type_url: str = Field(EXTENSIONS + "request_id.uuid.v3.UuidRequestIdConfig", alias="@type")
    pack_trace_reason: bool = False


class RequestIdExtension(Message):
    """Who makes request ids."""

    typed_config: UuidRequestId


class Router(Typed):
    """The last filter: sends a request on."""

    type_url: str = Field(EXTENSIONS + "filters.http.router.v3.Router", alias="@type")


class HttpFilter(Message):
    """The one HTTP filter."""

    name: Literal["envoy.filters.http.router"] = "envoy.filters.http.router"
    typed_config: Router


class HttpConnectionManager(Typed):
    """HTTP on the listener."""

    type_url: str = Field(
        EXTENSIONS + "filters.network.http_connection_manager.v3.HttpConnectionManager", alias="@type"
    )
    stat_prefix: str = "gateway"
    rds: Rds
    access_log: tuple[AccessLog, ...]
    http_filters: tuple[HttpFilter, ...]
    request_id_extension: RequestIdExtension
    preserve_external_request_id: bool = True
    normalize_path: bool = True
    merge_slashes: bool = True
    path_with_escaped_slashes_action: Literal["REJECT_REQUEST"] = "REJECT_REQUEST"
    server_header_transformation: Literal["PASS_THROUGH"] = "PASS_THROUGH"


class NetworkFilter(Message):
    """The one network filter."""

    name: Literal["envoy.filters.network.http_connection_manager"] = "envoy.filters.network.http_connection_manager"
    typed_config: HttpConnectionManager


class FilterChain(Message):
    """The one chain."""

    filters: tuple[NetworkFilter, ...]


class Listener(Message):
    """The gateway's port."""

    name: str = "gateway"
    address: Address
    per_connection_buffer_limit_bytes: int
    filter_chains: tuple[FilterChain, ...]


class StaticResources(Message):
    """What never changes."""

    listeners: tuple[Listener, ...]


class DynamicResources(Message):
    """What is read from files."""

    cds_config: ConfigSource


class Admin(Message):
    """Statistics and the kill switch; on loopback only."""

    address: Address


class Node(Message):
    """Who asks for routes."""

    id: str
    cluster: str


class RuntimeLayer(Message):
    """Values set through the admin API; a new Envoy has none."""

    name: str = "admin"
    admin_layer: dict[str, str] = Field(default_factory=dict)


class LayeredRuntime(Message):
    """The one layer."""

    layers: tuple[RuntimeLayer, ...] = (RuntimeLayer(),)


class Bootstrap(Message):
    """`envoy.json`."""

    node: Node
    admin: Admin
    layered_runtime: LayeredRuntime = LayeredRuntime()
    dynamic_resources: DynamicResources
    static_resources: StaticResources


def bootstrap(folder: DeploymentFolder, settings: GatewaySettings, port: int, admin_port: int) -> Bootstrap:
    """Return the configuration of an Envoy that listens on two ports of loopback."""
    manager = HttpConnectionManager(
        rds=Rds(route_config_name=ROUTES, config_source=_file(folder.routes)),
        access_log=(_access_log(folder, token=True), _access_log(folder, token=False)),
        http_filters=(HttpFilter(typed_config=Router()),),
        request_id_extension=RequestIdExtension(typed_config=UuidRequestId()),
    )
    listener = Listener(
        address=_loopback(port),
        per_connection_buffer_limit_bytes=settings.body_bytes,
        filter_chains=(FilterChain(filters=(NetworkFilter(typed_config=manager),)),),
    )
    return Bootstrap(
        node=Node(id=folder.path.name, cluster="churn"),
        admin=Admin(address=_loopback(admin_port)),
        dynamic_resources=DynamicResources(cds_config=_file(folder.clusters)),
        static_resources=StaticResources(listeners=(listener,)),
    )


def _access_log(folder: DeploymentFolder, *, token: bool) -> AccessLog:
    """Return what logs the requests of customers who are named by a token, or all others, who are not named."""
    matcher = HeaderMatcher(
        name=CUSTOMER, string_match=StringMatcher(safe_regex=Regex(regex=_TOKEN)), invert_match=None if token else True
    )
    fields = {name: value for name, value in ACCESS_LOG_FIELDS.items() if token or name != "customer"}
    return AccessLog(
        filter=AccessLogFilter(header_filter=HeaderFilter(header=matcher)),
        typed_config=FileAccessLog(path=folder.access_log, log_format=LogFormat(json_format=fields)),
    )


def _file(path: Path) -> ConfigSource:
    return ConfigSource(path_config_source=PathConfigSource(path=path))


def _loopback(port: int) -> Address:
    return Address(socket_address=SocketAddress(port_value=port))
