"""The part of Seldon Core v1's SeldonDeployment that is used here, typed.

Names follow `machinelearning.seldon.io/v1` and Kubernetes' own; docs.seldon.ai, "Seldon Deployment CRD".
"""

from typing import Any, Literal

from pydantic import ConfigDict, Field
from pydantic.alias_generators import to_camel

from churn.frozen import Frozen

GROUP, VERSION, PLURAL = "machinelearning.seldon.io", "v1", "seldondeployments"


class Part(Frozen):
    """A piece of a manifest; written in snake case here and in camel case there."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)

    def plain(self) -> dict[str, Any]:
        """Return it as the API server takes it."""
        return self.model_dump(by_alias=True, exclude_none=True, mode="json")


class Metadata(Part):
    """Of an object."""

    name: str
    namespace: str
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)
    resource_version: str | None = None


class ContainerPort(Part):
    """Where a container listens."""

    name: str
    container_port: int


class NamedSecret(Part):
    """Refers to a Secret."""

    name: str


class EnvFrom(Part):
    """Variables from a Secret."""

    secret_ref: NamedSecret


class Resources(Part):
    """What a container is given."""

    requests: dict[str, str]
    limits: dict[str, str]


class VolumeMount(Part):
    """A volume in a container."""

    name: str
    mount_path: str


class EmptyDir(Part):
    """A folder that lives as long as its pod."""

    size_limit: str


class Volume(Part):
    """A volume of a pod."""

    name: str
    empty_dir: EmptyDir


class HttpGet(Part):
    """A question by HTTP."""

    path: str
    port: str


class Probe(Part):
    """A question that is asked again and again."""

    http_get: HttpGet
    period_seconds: int
    timeout_seconds: int
    failure_threshold: int


class Capabilities(Part):
    """Of the kernel's privileges."""

    drop: tuple[str, ...] = ("ALL",)


class SeccompProfile(Part):
    """Which system calls there are."""

    type: Literal["RuntimeDefault"] = "RuntimeDefault"


class SecurityContext(Part):
    """A process that may do nothing but serve."""

    run_as_non_root: bool = True
    run_as_user: int = 10001
    run_as_group: int = 10001
    read_only_root_filesystem: bool = True
    allow_privilege_escalation: bool = False
    capabilities: Capabilities = Capabilities()
    seccomp_profile: SeccompProfile = SeccompProfile()


class Container(Part):
    """The prediction server."""

    name: str
    image: str
    image_pull_policy: Literal["IfNotPresent"] = "IfNotPresent"
    args: tuple[str, ...]
    ports: tuple[ContainerPort, ...]
    env_from: tuple[EnvFrom, ...] | None
    resources: Resources
    volume_mounts: tuple[VolumeMount, ...]
    startup_probe: Probe
    readiness_probe: Probe
    liveness_probe: Probe
    security_context: SecurityContext = SecurityContext()
    termination_message_policy: Literal["FallbackToLogsOnError"] = "FallbackToLogsOnError"


class PodSpec(Part):
    """A pod."""

    containers: tuple[Container, ...]
    volumes: tuple[Volume, ...]
    service_account_name: str | None
    automount_service_account_token: bool = False
    termination_grace_period_seconds: int


class ResourceTarget(Part):
    """How busy pods may be."""

    name: Literal["cpu"] = "cpu"
    target_average_utilization: int


class Metric(Part):
    """What the autoscaler looks at."""

    type: Literal["Resource"] = "Resource"
    resource: ResourceTarget


class Autoscaler(Part):
    """How many pods there may be."""

    min_replicas: int
    max_replicas: int
    metrics: tuple[Metric, ...]


class DisruptionBudget(Part):
    """How many pods may be taken away at a time."""

    max_unavailable: int = 1


class ComponentSpec(Part):
    """Pods of a predictor."""

    spec: PodSpec
    hpa_spec: Autoscaler | None = None
    pdb_spec: DisruptionBudget | None = None


class Endpoint(Part):
    """How the executor reaches a container."""

    type: Literal["REST"] = "REST"
    http_port: int


class Unit(Part):
    """A node of the inference graph, which is the container of the same name."""

    name: str
    type: Literal["MODEL"] = "MODEL"
    endpoint: Endpoint
    children: tuple[()] = ()


class Predictor(Part):
    """Who stands behind a share of the requests."""

    name: str
    replicas: int
    traffic: int | None = None
    shadow: bool | None = None
    labels: dict[str, str]
    annotations: dict[str, str]
    component_specs: tuple[ComponentSpec, ...]
    graph: Unit


class Spec(Part):
    """What should serve."""

    protocol: Literal["seldon"] = "seldon"
    predictors: tuple[Predictor, ...]


class SeldonDeployment(Part):
    """The whole object."""

    api_version: Literal["machinelearning.seldon.io/v1"] = "machinelearning.seldon.io/v1"
    kind: Literal["SeldonDeployment"] = "SeldonDeployment"
    metadata: Metadata
    spec: Spec
