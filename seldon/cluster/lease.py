"""The one rollout of a deployment: a Lease, which runs out when its holder dies."""

import os
import platform
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from churn.log import get_logger
from seldon.cluster.api import Api, Object
from seldon.cluster.errors import Conflict
from seldon.cluster.seen import DESIRED, desired_of
from seldon.deployment import DeploymentNotReady, RolloutRuns
from seldon.gateway.state import Desired

log = get_logger(__name__)

_MICROSECONDS = "%Y-%m-%dT%H:%M:%S.%fZ"
_TRIES = 5


@contextmanager
def held(api: Api, holder: str | None = None) -> Iterator[None]:
    """Hold the lease while the body runs, renewed from beside it.

    One who loses it all the same, because the API server was away for too long, is stopped by the generation of what
    the next holder asks for.

    Raises:
        RolloutRuns: another one holds it.
    """
    me = holder or f"{platform.node()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
    _take(api, me)
    ended = threading.Event()
    renewing = threading.Thread(target=_renew, args=(api, me, ended), daemon=True, name="lease")
    renewing.start()
    try:
        yield
    finally:
        ended.set()
        renewing.join()
        _release(api, me)


def remember(api: Api, desired: Desired) -> None:
    """Keep with the lease, which stays, what served last."""
    for _ in range(_TRIES):
        lease = api.lease()
        try:
            api.write_lease(_lease(api, lease, kept=desired.model_dump_json()), new=lease is None)
            return
        except Conflict:
            continue
    raise DeploymentNotReady(f"{api.place}: its lease is changed all the time; end the rollout that holds it")


def remembered(api: Api) -> Desired | None:
    """Return what served last, before the deployment was stopped."""
    lease = api.lease()
    return None if lease is None else desired_of(lease)


def _take(api: Api, me: str) -> None:
    lease = api.lease()
    other = None if lease is None else _holder(lease)
    try:
        if other is None:
            api.write_lease(_lease(api, lease, holder=me), new=lease is None)
            return
    except Conflict:
        other = "somebody who was quicker"
    raise RolloutRuns(
        f"{api.place}: another rollout moves its weights now ({other}); wait for its end, churn serve status shows it"
    )


def _renew(api: Api, me: str, ended: threading.Event) -> None:
    while not ended.wait(api.settings.lease_seconds / 3):
        try:
            lease = api.lease()
            if lease is not None and (lease.get("spec") or {}).get("holderIdentity") == me:
                api.write_lease(_lease(api, lease, holder=me), new=False)
        except (Conflict, DeploymentNotReady) as error:
            log.warning("lease_not_renewed", deployment=api.place, error=str(error))


def _release(api: Api, me: str) -> None:
    try:
        lease = api.lease()
        if lease is not None and (lease.get("spec") or {}).get("holderIdentity") == me:
            api.write_lease(_lease(api, lease, holder=""), new=False)
    except (Conflict, DeploymentNotReady) as error:
        log.warning(
            "lease_not_released", deployment=api.place, runs_out_in=api.settings.lease_seconds, error=str(error)
        )


def _holder(lease: Object) -> str | None:
    spec = lease.get("spec") or {}
    if not spec.get("holderIdentity") or not spec.get("renewTime"):
        return None
    renewed = datetime.strptime(spec["renewTime"], _MICROSECONDS).replace(tzinfo=UTC)
    lasts = timedelta(seconds=int(spec.get("leaseDurationSeconds") or 0))
    return str(spec["holderIdentity"]) if datetime.now(UTC) < renewed + lasts else None


def _lease(api: Api, lease: Object | None, *, holder: str | None = None, kept: str | None = None) -> Object:
    """Return the lease, changed: who holds it, or what it keeps."""
    metadata: dict[str, Any] = dict((lease or {}).get("metadata") or {})
    metadata |= {"name": f"{api.name}-rollout", "namespace": api.namespace}
    if kept is not None:
        metadata["annotations"] = (metadata.get("annotations") or {}) | {DESIRED: kept}
    spec: dict[str, Any] = dict((lease or {}).get("spec") or {})
    if holder is not None:
        now = datetime.now(UTC).strftime(_MICROSECONDS)
        spec |= {"holderIdentity": holder, "leaseDurationSeconds": api.settings.lease_seconds, "renewTime": now}
    return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}
