"""What the entries add up to: which version stands where."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from churn.frozen import Frozen
from churn.ledger.entry import Decision, Entry, Stage

CHANGES_OF_STAGE: tuple[Decision, ...] = ("promoted", "deployed", "rolled_back")


class Standing(Frozen):
    """Every registered version's stage.

    Attributes:
        stages: by version; exactly one version, or none, is in staging and in production.
        digests: of the bundles, by version.
        unfinished: intents that were neither committed nor undone, oldest first.
        sequence: of the last entry that counts.
    """

    stages: dict[str, Stage]
    digests: dict[str, str]
    unfinished: tuple[Entry, ...]
    sequence: int

    def holder(self, stage: Stage) -> str | None:
        """Return the version that is in `staging` or `production`."""
        return next((version for version, its in self.stages.items() if its == stage), None)

    def with_done(self, intent: Entry) -> "Standing":
        """Return the standing as it will be once an intent is committed."""
        stages, digests = dict(self.stages), dict(self.digests)
        _apply(intent, stages, digests)
        return self.model_copy(update={"stages": stages, "digests": digests})


def standing(entries: Sequence[Entry], at: datetime | None = None) -> Standing:
    """Add the entries up, all of them or those up to a moment (that moment included)."""
    counted = [entry for entry in entries if at is None or entry.at <= at]
    stages: dict[str, Stage] = {}
    digests: dict[str, str] = {}
    for entry in counted:
        if entry.phase == "committed":
            _apply(entry, stages, digests)
    return Standing(
        stages=stages,
        digests=digests,
        unfinished=_unfinished(counted),
        sequence=counted[-1].sequence if counted else 0,
    )


def _apply(entry: Entry, stages: dict[str, Stage], digests: dict[str, str]) -> None:
    if entry.version is None:
        return
    if entry.decision == "registered":
        stages[entry.version] = "none"
        if entry.bundle_digest:
            digests[entry.version] = entry.bundle_digest
    elif entry.decision in CHANGES_OF_STAGE and entry.stage:
        if entry.stage in ("staging", "production"):
            for version, stage in stages.items():
                if stage == entry.stage:
                    stages[version] = "archived"
        stages[entry.version] = entry.stage


def _unfinished(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    found: dict[int, Entry] = {}
    for entry in entries:
        if entry.phase == "intent":
            found[entry.sequence] = entry
        else:
            found.pop(entry.change, None)
    return tuple(found.values())


def last_healthy(entries: Sequence[Entry]) -> str | None:
    """Return the version that was in production before the present one and did not leave it by a rollback."""
    terms: list[str] = []
    unhealthy: set[str] = set()
    for entry in entries:
        if (
            entry.phase == "committed"
            and entry.stage == "production"
            and entry.version
            and entry.decision in CHANGES_OF_STAGE
        ):
            if entry.decision == "rolled_back" and terms:
                unhealthy.add(terms[-1])
            terms.append(entry.version)
    return next((version for version in reversed(terms[:-1]) if version not in {*unhealthy, terms[-1]}), None)


def were_live(entries: Sequence[Entry]) -> set[str]:
    """Return every version that was in production at some time."""
    return {entry.version for entry in entries if entry.version and entry.stage == "production" and _moved(entry)}


def _moved(entry: Entry) -> bool:
    return entry.phase == "committed" and entry.decision in CHANGES_OF_STAGE
