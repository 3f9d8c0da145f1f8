"""What the supervisor tells about a deployment."""

from collections.abc import Mapping, Sequence

from seldon.gateway.envoy import Envoy
from seldon.gateway.kept import Kept
from seldon.gateway.split import Slot, Split, servers
from seldon.gateway.state import Desired, LocalObserved, LocalServer, Track


def observed(
    desired: Desired | None,
    live: Split,
    kept: Mapping[Slot, Kept],
    slots: Mapping[Track, Slot],
    envoy: Envoy,
    *,
    usable: set[str],
    follows: bool,
    confirmed: int,
    draining: Sequence[int],
    fault: str | None,
    supervisor_pid: int,
) -> LocalObserved:
    """Return the state of a deployment: by track the server that has the requests, else the one to come."""
    shown = {track: live.slot(track) or slot for track, slot in slots.items()}
    wanted = desired.generation if desired else 0
    up = all(slot.name in usable for slot in slots.values()) and envoy.kept.ready
    # A split that fell back for lack of a server keeps the generation but not the server.
    complete = desired is not None and all(
        (slot := live.slot(track)) is not None and slot.server == server for track, server in servers(desired).items()
    )
    return LocalObserved(
        generation=confirmed,
        wanted=wanted,
        ready=follows and up and complete and live.generation == wanted,
        stable=_server(shown.get("stable"), kept, usable),
        canary=_server(shown.get("canary"), kept, usable),
        gateway_port=envoy.port,
        admin_port=envoy.admin_port,
        gateway_pid=envoy.kept.child.pid if envoy.kept.child else None,
        supervisor_pid=supervisor_pid,
        draining=tuple(sorted(draining)),
        fault=fault or _fault(kept, slots, envoy),
    )


def _server(slot: Slot | None, kept: Mapping[Slot, Kept], usable: set[str]) -> LocalServer | None:
    if slot is None or slot not in kept:
        return None
    child = kept[slot].child
    return LocalServer(
        version=slot.server.version,
        digest=slot.server.digest,
        port=slot.port,
        pid=child.pid if child else None,
        ready=slot.name in usable,
        restarts=kept[slot].restarts,
        since=child.since if child else None,
    )


def _fault(kept: Mapping[Slot, Kept], slots: Mapping[Track, Slot], envoy: Envoy) -> str | None:
    """Return the worst that is wrong: what will not start, then what keeps dying."""
    involved = [envoy.kept, *(kept[slot] for slot in slots.values() if slot in kept)]
    refusals = [one.refusal for one in involved if one.refusal]
    troubles = [one.trouble for one in involved if one.trouble]
    return next(iter((*refusals, *troubles)), None)
