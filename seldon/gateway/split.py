"""Who gets which share of the requests, and the next such split on the way to what is desired."""

from collections.abc import Collection, Mapping

from churn.frozen import Frozen
from seldon.gateway.state import TRACKS, Desired, Server, Track


class Slot(Frozen):
    """A server with a place to listen; the gateway's cluster is named after it."""

    track: Track
    server: Server
    port: int

    @property
    def name(self) -> str:
        """Unique as long as it lives, also among statistics and log files."""
        return f"{self.track}-{self.server.version}-{self.port}"


class Split(Frozen):
    """What Envoy routes by."""

    generation: int = 0
    stable: Slot | None = None
    canary: Slot | None = None
    weight: int = 0
    mirror: bool = False
    salt: str = ""
    rollout: str | None = None

    def slot(self, track: Track) -> Slot | None:
        """Return who serves this track."""
        return self.stable if track == "stable" else self.canary

    @property
    def slots(self) -> tuple[Slot, ...]:
        """Everybody it names."""
        return tuple(slot for slot in (self.stable, self.canary) if slot is not None)


def next_split(
    live: Split, desired: Desired, slots: Mapping[Track, Slot], usable: Collection[str], refused: Collection[str]
) -> Split:
    """Return what to route by now: as much of `desired` as its servers allow.

    A server joins only when it is usable. One that takes part already stays although it may be down for the moment:
    the gateway knows better than a route whom to ask instead. A canary that is no longer wanted leaves at once,
    whatever else is starting, unless it is the one that becomes stable: then its customers stay with it until it has.

    Args:
        live: what is routed by at present.
        desired: what should be.
        slots: the slots made for `desired`, by track.
        usable: names of the slots that answer and that Envoy finds healthy.
        refused: names of the slots that will not come up.
    """
    arrived = {track: slot for track, slot in slots.items() if _takes_part(slot, live, usable, refused)}
    waits = "stable" in slots and "stable" not in arrived
    if waits and becomes_stable(live, desired):
        return live
    complete = all(track in arrived for track in TRACKS if desired.server(track) is not None)
    stable = live.stable if waits else arrived.get("stable")
    canary = None if waits else arrived.get("canary")
    if waits and live.canary is not None and desired.canary == live.canary.server:
        canary = live.canary
    return Split(
        generation=desired.generation if complete else live.generation,
        stable=stable,
        canary=canary,
        weight=desired.canary_weight if canary else 0,
        mirror=desired.mirror and canary is not None,
        salt=desired.salt if canary else "",
        rollout=desired.rollout if canary else None,
    )


def becomes_stable(live: Split, desired: Desired) -> bool:
    """Tell whether the canary is promoted."""
    return desired.promotes(live.canary.server if live.canary else None, live.weight)


def _takes_part(slot: Slot, live: Split, usable: Collection[str], refused: Collection[str]) -> bool:
    if slot.name in usable:
        return True
    return slot == live.slot(slot.track) and (slot.track == "stable" or slot.name not in refused)


def servers(desired: Desired) -> dict[Track, Server]:
    """Return who is wanted, by track."""
    return {track: server for track in TRACKS if (server := desired.server(track)) is not None}
