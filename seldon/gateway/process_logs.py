"""What the processes of a deployment print does not pile up: old servers' logs go, and a long one begins anew."""

import shutil

from seldon.gateway.folder import DeploymentFolder
from seldon.gateway.settings import GatewaySettings

_BEFORE = ".1"


def tidy(folder: DeploymentFolder, settings: GatewaySettings) -> None:
    """Keep the logs of the newest servers that are gone, and of every log no more than a long piece and the one before.

    A log is cut where it lies, because its process has it open: what is printed between copy and cut is lost.
    """
    logs = [path for path in folder.logs.glob("*.log") if path.is_file()]
    kept = {path.stem for path in folder.runs.glob("*.json")}
    gone = [path for path in logs if path.name.startswith(("stable-", "canary-")) and path.stem not in kept]
    for path in sorted(gone, key=lambda path: path.stat().st_mtime_ns)[: -settings.server_logs]:
        path.unlink(missing_ok=True)
        path.with_name(path.name + _BEFORE).unlink(missing_ok=True)
        logs.remove(path)
    for path in logs:
        if path.stat().st_size >= settings.log_bytes:
            before = path.with_name(path.name + _BEFORE)
            shutil.copyfile(path, before)
            before.chmod(0o600)
            with path.open("r+b") as file:
                file.truncate()
