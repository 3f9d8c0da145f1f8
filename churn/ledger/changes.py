"""Changes of stage: intent, then ZenML and MLflow, then committed; and how the next one finishes what was cut short."""

from collections.abc import Callable, Collection, Sequence
from typing import Protocol

from churn.ledger.entry import Draft, Entry, Phase
from churn.ledger.errors import VersionGone
from churn.ledger.ledger import Ledger
from churn.ledger.standing import CHANGES_OF_STAGE, Standing, standing


class Follower(Protocol):
    """What must agree with the ledger: ZenML's stages and MLflow's aliases."""

    def check(self, version: str) -> None:
        """Raise an error unless everything is reachable and holds the version; called before an intent is entered."""

    def follow(self, wanted: Standing) -> Collection[str]:
        """Make stages and aliases what the ledger says; doing it twice changes nothing.

        Returns:
            Versions that must be in staging or production and are missing.
        """


def change_stage(
    ledger: Ledger,
    follower: Follower,
    intent: Draft,
    require: Callable[[Sequence[Entry], Standing], None],
) -> Entry:
    """Carry out one change of stage, from its intent to its end; what another process left unfinished comes first.

    Args:
        ledger: the authority.
        follower: what follows it.
        intent: the change, in the phase `intent`.
        require: raises when the change no longer fits what the ledger says; asked again whenever another writer came
            first.

    Returns:
        The entry that committed it.

    Raises:
        DecisionRefused: `require` said so; nothing was changed.
        VersionGone: the version is missing in ZenML or MLflow; nothing was changed, or the change is undone.
        ChurnError: ZenML or MLflow could not follow; the change stays open, and the next command finishes it.
    """
    assert intent.version is not None
    follower.check(intent.version)

    def decide(entries: Sequence[Entry]) -> Sequence[Draft]:
        now = standing(entries)
        if _pending(now) is not None:  # by another process: how it ends decides whether this one may begin
            return []
        require(entries, now)
        return [intent]

    opened = None
    while opened is None:
        settle(ledger, follower)
        opened = next(iter(ledger.record(decide)), None)
    settle(ledger, follower)
    ended = next(entry for entry in ledger.entries() if entry.change == opened.sequence and entry.phase != "intent")
    if ended.phase == "undone":
        raise VersionGone(f"version {intent.version} is not {intent.decision}: {ended.facts['why']}")
    agree(ledger, follower)
    return ended


def settle(ledger: Ledger, follower: Follower) -> tuple[Entry, ...]:
    """Roll every unfinished change of stage forward, or undo it where its version is gone.

    Safe while another process does the same: each step may be done twice.

    Returns:
        The entries that this call added.
    """
    added: list[Entry] = []
    while True:
        now = standing(ledger.entries())
        intent = _pending(now)
        if intent is None:
            return tuple(added)
        if intent.version in follower.follow(now.with_done(intent)):
            follower.follow(now)
            added += _end(ledger, intent, "undone", {"why": "the version is missing in ZenML or MLflow"})
        else:
            added += _end(ledger, intent, "committed", {})


def agree(ledger: Ledger, follower: Follower) -> Collection[str]:
    """Make ZenML and MLflow agree with the ledger, also when that grows meanwhile.

    Who is slow may follow an old standing after another process followed a newer one: the ledger is read again until
    it stands still.

    Returns:
        Versions that must be in staging or production and are missing.
    """
    while True:
        before = standing(ledger.entries())
        missing = follower.follow(before)
        if standing(ledger.entries()).sequence == before.sequence:
            return missing


def _pending(now: Standing) -> Entry | None:
    return next((intent for intent in now.unfinished if intent.decision in CHANGES_OF_STAGE), None)


def _end(ledger: Ledger, intent: Entry, phase: Phase, facts: dict[str, str]) -> tuple[Entry, ...]:
    def decide(entries: Sequence[Entry]) -> Sequence[Draft]:
        if intent not in standing(entries).unfinished:
            return []
        content = intent.model_dump(include=set(Draft.model_fields))
        return [Draft(**(content | {"phase": phase, "change": intent.sequence, "facts": intent.facts | facts}))]

    return ledger.record(decide)
