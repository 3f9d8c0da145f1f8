"""How a local deployment behaves; the defaults are for one machine."""

from pathlib import Path

from pydantic import Field

from churn.frozen import Frozen


class GatewaySettings(Frozen):
    """`gateway.json`; the supervisor reads it when it starts."""

    port: int = Field(default=0, ge=0, le=65535, description="of the gateway on 127.0.0.1; 0 keeps a free one")
    landing: str = Field(description="landing zone, a folder or URL, where the servers put their prediction log")
    server: tuple[str, ...] = Field(
        default=(), description="begin of the servers' command; by default the serving environment beside the checkout"
    )
    record_seconds: float = Field(
        default=30.0,
        gt=0,
        description="longest way of a record to the landing zone; after that it is lost",
    )
    server_options: tuple[str, ...] = Field(default=(), description="further options of every server's command")
    server_memory_mb: int = Field(
        default=4096, gt=0, description="address space of one server; beyond it the server fails, not the machine"
    )
    threads: int = Field(default=2, gt=0, description="of Envoy")
    start_seconds: float = Field(default=30.0, gt=0, description="a server that is not ready by then is ended")
    start_attempts: int = Field(default=3, gt=0, description="starts without success before a new server is given up")
    longest_back_off_seconds: float = Field(default=10.0, gt=0, description="between two starts of a failing process")
    probe_seconds: float = Field(default=1.0, gt=0, description="between two questions whether a process still answers")
    probe_timeout_seconds: float = Field(default=2.0, gt=0, description="a longer answer counts as missed")
    probe_misses: int = Field(default=3, gt=0, description="in a row before a process that hangs is killed")
    settle_seconds: float = Field(
        default=1.0,
        ge=0,
        description="after a change of the route, until no attempt by the old one waits for its turn any more",
    )
    drain_seconds: float = Field(default=10.0, gt=0, description="longest wait for requests a removed server still has")
    stop_seconds: float = Field(default=25.0, gt=0, description="between SIGTERM and SIGKILL")
    health_seconds: float = Field(default=0.5, gt=0, description="between two health checks by Envoy")
    health_timeout_seconds: float = Field(default=1.0, gt=0, description="of one health check by Envoy")
    try_seconds: float = Field(
        default=2.0, gt=0, description="of one attempt: a canary that hangs costs a client this much at most"
    )
    request_seconds: float = Field(default=10.0, gt=0, description="of a request with all its attempts")
    retries: int = Field(
        default=20,
        ge=0,
        description="further attempts, but of predictions for stable alone, 25 ms apart at first and 0.5 s at most",
    )
    ejected_seconds: float = Field(default=5.0, gt=0, description="first ejection of a canary that fails in a row")
    body_bytes: int = Field(default=8 * 2**20, gt=0, description="largest body that is kept for another attempt")
    access_log_bytes: int = Field(default=64 * 2**20, gt=0, description="after that the access log is rolled")
    access_log_files: int = Field(default=16, gt=0, description="rolled access logs that are kept")
    log_bytes: int = Field(default=16 * 2**20, gt=0, description="after that what a process prints begins anew")
    server_logs: int = Field(default=16, gt=0, description="servers that are gone whose logs are kept")


def default_server(root: Path, fallback: str) -> tuple[str, ...]:
    """Return how a server is started: by the serving environment of the checkout at `root`, else by `fallback`."""
    python = root / ".venv-serving" / "bin" / "python"
    return (str(python) if python.exists() else fallback, "-m", "seldon.serving")
