"""What the gateway counted, against what its log says: a log that misses requests must not decide."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from churn.frozen import Frozen
from churn.rollout.settings import RolloutSettings
from churn.rollout.tally import Tally


class TrackCounters(Frozen):
    """One track at one moment, since its process started.

    Attributes:
        started: names the process that counts; after a restart it is another one, and counters begin at nought.
        requests: clients' requests that the gateway assigned to the track, each once however often it was retried.
        failed: those that the track did not answer well, also where a retry on stable rescued them.
        retries: further attempts.
        ejections: times the gateway took the server out.
        connect_failures: attempts that found nobody.
    """

    started: str
    requests: int
    failed: int = 0
    retries: int = 0
    ejections: int = 0
    connect_failures: int = 0


class Counters(Frozen):
    """Both tracks at one moment; none where a track has no counters."""

    stable: TrackCounters | None
    canary: TrackCounters | None


class Signals(Frozen):
    """What needs no statistics: each ends the canary at once.

    Attributes:
        failures_in_a_row: of the canary, as the gateway sees them now.
        unhealthy: why the canary's health check fails, if it does.
        wrong_digest: what the canary serves instead of the bundle that was approved, if it does.
    """

    failures_in_a_row: int = 0
    unhealthy: str | None = None
    wrong_digest: str | None = None


def counted(history: Sequence[TrackCounters | None]) -> tuple[TrackCounters | None, tuple[str, ...]]:
    """Add up a track's counters over restarts, and name those that ran backwards without one.

    The first of the history is where the counting begins.
    """
    present = [counters for counters in history if counters is not None]
    if not present:
        return None, ()
    total = dict.fromkeys(_COUNTS, 0)
    backwards: list[str] = []
    for before, after in pairwise(present):
        same = before.started == after.started
        for name in _COUNTS:
            grown = getattr(after, name) - (getattr(before, name) if same else 0)
            total[name] += max(grown, 0)
            if grown < 0:
                backwards.append(f"{name} fell by {-grown:,} without a restart")
    return TrackCounters(started=present[-1].started, **total), tuple(backwards)


def doubts(history: Sequence[Counters], tally: Tally, settings: RolloutSettings) -> Iterator[str]:
    """Say why log and counters cannot both be right."""
    for name, track in (("stable", 0), ("canary", 1)):
        total, backwards = counted([getattr(counters, name) for counters in history])
        yield from (f"a counter of {name} ran backwards: {fault}" for fault in backwards)
        logged, lost = int(tally.requests[track]), int(tally.lost[track])
        if lost > _allowed(logged, settings):
            yield f"{lost:,} of {logged:,} requests of {name} lack their prediction"
        if total is None or len(history) < 2:
            continue
        missing = total.requests - logged
        if missing > _allowed(total.requests, settings):
            yield f"the gateway sent {total.requests:,} requests to {name} and the log holds {logged:,}"
        unseen = total.failed - int(tally.failed[track])
        if unseen > _allowed(total.requests, settings):
            yield f"the gateway counted {total.failed:,} failures of {name} and the log {int(tally.failed[track]):,}"


_COUNTS = ("requests", "failed", "retries", "ejections", "connect_failures")


def _allowed(requests: int, settings: RolloutSettings) -> float:
    return settings.lost_allowance + settings.max_lost * requests
