"""What Envoy has counted for each track."""

import re

from churn import process
from churn.rollout.counters import Counters, TrackCounters
from seldon.gateway import admin
from seldon.gateway.clusters import with_fallback
from seldon.gateway.split import Slot, Split


def counters(split: Split, envoy_pid: int, admin_port: int) -> Counters:
    """Return the counters of both tracks of a split; None without a split of the predictions, and without an answer.

    While stable has them all, they share its cluster with what is no prediction, such as feedback and health checks,
    and cannot be counted by themselves.
    """
    if split.stable is None or split.canary is None or not split.weight:
        return Counters(stable=None, canary=None)
    return Counters(
        stable=_track(split.stable, with_fallback(split.stable, split.canary), envoy_pid, admin_port),
        canary=_track(split.canary, with_fallback(split.canary, split.stable), envoy_pid, admin_port),
    )


def _track(slot: Slot, assigned: str, envoy_pid: int, admin_port: int) -> TrackCounters | None:
    """Return one track's counters.

    Requests are counted by the cluster they were assigned to, whoever answered in the end; connections and ejections by
    the server's own.
    """
    names = "|".join(re.escape(name) for name in {slot.name, assigned})
    found = admin.stats(admin_port, rf"^cluster\.({names})\.")
    if not found:
        return None
    of_requests, of_server = f"cluster.{assigned}.", f"cluster.{slot.name}."
    return TrackCounters(
        started=f"{process.start_mark(envoy_pid)}/{assigned}",
        requests=found.get(of_requests + "upstream_rq_completed", 0),
        failed=found.get(of_requests + "upstream_rq_5xx", 0) + found.get(of_requests + "upstream_rq_retry_success", 0),
        retries=found.get(of_requests + "upstream_rq_retry", 0),
        ejections=found.get(of_server + "outlier_detection.ejections_enforced_total", 0),
        connect_failures=found.get(of_server + "upstream_cx_connect_fail", 0),
    )
