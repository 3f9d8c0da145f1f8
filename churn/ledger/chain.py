"""Whether the entries are those that were entered: what was changed, removed, moved or put in."""

from collections.abc import Iterator, Mapping, Sequence

from churn.frozen import Frozen
from churn.ledger.entry import GENESIS, Entry


class Fault(Frozen):
    """Where the chain does not hold."""

    sequence: int
    says: str


def faults(entries: Sequence[Entry], entered: int, anchors: Mapping[int, str] | None = None) -> tuple[Fault, ...]:
    """Return every place where the chain does not hold, in order; none when it does.

    Who can write to the lake can write a whole new chain: only a copy of an old hash kept elsewhere shows that.

    Args:
        entries: in the order of their sequence.
        entered: entries the log says were ever entered.
        anchors: hashes by sequence that were noted elsewhere, such as at the model versions in ZenML.
    """
    return tuple(_faults(entries, entered, anchors or {}))


def _faults(entries: Sequence[Entry], entered: int, anchors: Mapping[int, str]) -> Iterator[Fault]:
    positions = _positions(entries)
    number, head = 0, GENESIS
    for entry in entries:
        here = entry.sequence
        if here <= number:
            yield Fault(sequence=here, says=f"entry {here} is there twice: one of them was put in")
            continue
        if here > number + 1:
            yield Fault(sequence=number + 1, says=f"{_entries(number + 1, here - 1)} missing: removed or moved")
        if entry.computed_hash() != entry.hash:
            yield Fault(sequence=here, says=_altered(entry, positions))
        elif entry.previous != head and here == number + 1:
            yield Fault(
                sequence=here,
                says=f"entry {here} does not follow entry {number}: "
                f"{'it was put in' if number == 0 else 'one of the two was replaced'}",
            )
        if here in anchors and anchors[here] != entry.hash:
            yield Fault(
                sequence=here, says=f"entry {here} is not the one noted at its model version: the chain was rewritten"
            )
        number, head = here, entry.hash
    if number < entered:
        yield Fault(sequence=number + 1, says=f"{_entries(number + 1, entered)} missing at the end: removed")
    if number > entered:
        yield Fault(sequence=entered + 1, says=f"{_entries(entered + 1, number)} past what was ever entered: put in")
    for lost in sorted(sequence for sequence in anchors if sequence > max(number, entered)):
        yield Fault(sequence=lost, says=f"entry {lost}, noted at a model version, is missing at the end: removed")


def _positions(entries: Sequence[Entry]) -> dict[str, int]:
    """Return by hash where the links put each entry whose predecessor is there."""
    found = {GENESIS: 0}
    waiting = {entry.previous: entry.hash for entry in entries}
    link: str | None = GENESIS
    while link is not None and (following := waiting.pop(link, None)) is not None:
        found[following] = found[link] + 1
        link = following
    return found


def _altered(entry: Entry, positions: Mapping[str, int]) -> str:
    place = positions.get(entry.hash)
    if place and entry.model_copy(update={"sequence": place}).computed_hash() == entry.hash:
        return f"entry {entry.sequence} stood at {place}: moved"
    return f"entry {entry.sequence} is not what was entered: changed"


def _entries(first: int, last: int) -> str:
    return f"entry {first} is" if first == last else f"entries {first} to {last} are"
