"""How a deployment on a cluster is made, and where what it tells is found."""

from pydantic import Field

from churn.frozen import Frozen

PORT = 9000
"""Of the prediction server in its container; the executor's default."""


class ClusterSettings(Frozen):
    """One environment's cluster."""

    image: str = Field(
        pattern=r"^[^@\s]+@sha256:[0-9a-f]{64}$", description="of the prediction server, by digest: a tag can move"
    )
    landing: str = Field(description="landing zone, as a URL, where the servers put their prediction log")
    customers: tuple[str, ...] = Field(default=(), description="what a server is told about customer snapshots")
    gateway: str = Field(pattern=r"^https?://[^/\s]+$", description="of the ingress; below it Seldon's paths")
    prometheus: str = Field(pattern=r"^https?://\S+$", description="its HTTP API, which has the executor's metrics")
    namespace_label: str = Field(
        default="namespace", pattern=r"^\w*$", description="of the metrics, which tells namespaces apart; empty: none"
    )
    context: str | None = Field(default=None, description="of the kubeconfig; by default the account of the pod")
    kubeconfig: str | None = Field(default=None, description="file; by default KUBECONFIG")
    replicas: int = Field(default=2, ge=1, description="pods of a track, and the least the autoscaler leaves")
    max_replicas: int = Field(default=0, ge=0, description="the most the autoscaler makes; no more than replicas: none")
    busy_percent: int = Field(default=70, ge=1, le=100, description="of the requested CPU, above which pods are added")
    cpu: str = Field(default="250m", description="requested for a pod")
    cpu_limit: str = Field(default="1", description="of a pod")
    memory: str = Field(default="512Mi", description="requested for a pod, and its limit")
    service_account: str | None = Field(default=None, description="of the pods; what lets them read the bundle store")
    env_secret: str | None = Field(default=None, description="Secret with variables, such as keys of the object store")
    log_seconds: float = Field(default=10.0, gt=0, description="age at which a file of the prediction log is finished")
    drain_seconds: int = Field(default=20, ge=1, description="for a pod that ends to answer what it has")
    settle_seconds: float = Field(
        default=5.0, ge=0, description="all must stay as it is for that long to count as live; the ingress follows late"
    )
    answer_seconds: float = Field(default=5.0, gt=0, description="longest answer of the API server or Prometheus")
    api_seconds: float = Field(default=30.0, gt=0, description="for which a question is repeated before it is given up")
    lease_seconds: int = Field(default=30, ge=3, description="after which a rollout that died makes way")

    @property
    def grace_seconds(self) -> int:
        """Between SIGTERM and SIGKILL of a pod."""
        return self.drain_seconds + 10

    @property
    def record_seconds(self) -> float:
        """Longest way of a record to the landing zone; after that it is lost."""
        return 3 * self.log_seconds + 3
