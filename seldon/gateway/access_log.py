"""Rolling of the access log: Envoy writes one file, which is moved aside when it is long."""

from datetime import datetime

from seldon.gateway import admin
from seldon.gateway.folder import DeploymentFolder
from seldon.gateway.settings import GatewaySettings


def roll(folder: DeploymentFolder, settings: GatewaySettings, admin_port: int, now: datetime) -> None:
    """Move the access log aside when it is too long, let Envoy begin another, and drop the oldest ones."""
    try:
        if folder.access_log.stat().st_size < settings.access_log_bytes:
            return
    except FileNotFoundError:
        return
    folder.access_log.rename(folder.access_log.with_name(f"access-{now:%Y%m%dT%H%M%S%f}.jsonl"))
    admin.reopen_logs(admin_port)
    for old in sorted(folder.access_log.parent.glob("access-*.jsonl"))[: -settings.access_log_files]:
        old.unlink(missing_ok=True)
