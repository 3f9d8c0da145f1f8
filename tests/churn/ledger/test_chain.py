from datetime import UTC, datetime

import hypothesis.strategies as st
import pytest
from hypothesis import given

from churn.ledger.chain import faults
from churn.ledger.entry import Draft, Entry

AT = datetime(2026, 3, 1, tzinfo=UTC)


def chain(length: int) -> list[Entry]:
    entries: list[Entry] = []
    for number in range(1, length + 1):
        draft = Draft(decision="registered", actor="training", version=str(number))
        entries.append(Entry.following(entries[-1] if entries else None, draft, AT))
    return entries


def says(entries: list[Entry], entered: int, anchors: dict[int, str] | None = None) -> list[str]:
    in_order = sorted(entries, key=lambda entry: (entry.sequence, entry.hash))
    return [fault.says for fault in faults(in_order, entered, anchors)]


@given(st.integers(0, 12))
def test_what_was_entered_holds(length: int) -> None:
    entries = chain(length)

    assert says(entries, length, {entry.sequence: entry.hash for entry in entries}) == []


@given(st.integers(1, 12), st.data())
def test_a_changed_entry_is_named(length: int, data: st.DataObject) -> None:
    entries = chain(length)
    place = data.draw(st.integers(0, length - 1))
    field, value = data.draw(
        st.sampled_from(
            [
                ("version", "99"),
                ("actor", "mallory"),
                ("stage", "production"),
                ("facts", {"run": "x"}),
                ("phase", "undone"),
            ]
        )
    )
    entries[place] = entries[place].model_copy(update={field: value})

    assert says(entries, length) == [f"entry {place + 1} is not what was entered: changed"]


@given(st.integers(2, 12), st.data())
def test_an_entry_changed_with_a_hash_to_fit_is_found_at_the_next_one(length: int, data: st.DataObject) -> None:
    entries = chain(length)
    place = data.draw(st.integers(0, length - 2))
    forged = entries[place].model_copy(update={"actor": "mallory"})
    entries[place] = forged.model_copy(update={"hash": forged.computed_hash()})

    assert says(entries, length) == [
        f"entry {place + 2} does not follow entry {place + 1}: one of the two was replaced"
    ]


@given(st.integers(1, 12), st.data())
def test_a_removed_entry_is_named(length: int, data: st.DataObject) -> None:
    entries = chain(length)
    place = data.draw(st.integers(0, length - 1))
    del entries[place]

    (found,) = says(entries, length)

    assert found.startswith(f"entry {place + 1} is missing")


@given(st.integers(2, 12), st.data())
def test_entries_that_changed_places_are_both_named(length: int, data: st.DataObject) -> None:
    entries = chain(length)
    first = data.draw(st.integers(0, length - 2))
    second = data.draw(st.integers(first + 1, length - 1))
    entries[first], entries[second] = (
        entries[second].model_copy(update={"sequence": first + 1}),
        entries[first].model_copy(update={"sequence": second + 1}),
    )

    found = says(entries, length)

    assert f"entry {first + 1} stood at {second + 1}: moved" in found
    assert f"entry {second + 1} stood at {first + 1}: moved" in found


@given(st.integers(1, 12), st.data())
def test_an_inserted_entry_is_named(length: int, data: st.DataObject) -> None:
    entries = chain(length)
    place = data.draw(st.integers(0, length - 1))
    draft = Draft(decision="approved", actor="mallory", version="1")
    entries.append(Entry.following(entries[place - 1] if place else None, draft, AT))

    found = says(entries, length)

    assert any(text.startswith(f"entry {place + 1} ") for text in found)


def test_an_entry_past_what_was_entered_is_named() -> None:
    entries = chain(3)

    assert says(entries, 2) == ["entry 3 is past what was ever entered: put in"]


def test_a_chain_written_anew_is_found_by_a_hash_noted_elsewhere() -> None:
    old = chain(3)
    new: list[Entry] = []
    for number in range(1, 4):
        draft = Draft(decision="registered", actor="mallory", version=str(number))
        new.append(Entry.following(new[-1] if new else None, draft, AT))

    assert says(new, 3) == []
    assert says(new, 3, {2: old[1].hash}) == [
        "entry 2 is not the one noted at its model version: the chain was rewritten"
    ]


@pytest.mark.parametrize("kept", [0, 1, 2])
def test_an_end_that_was_cut_off_is_found_by_a_hash_noted_elsewhere(kept: int) -> None:
    entries = chain(3)

    found = says(entries[:kept], kept, {3: entries[2].hash})

    assert found == ["entry 3, noted at a model version, is missing at the end: removed"]
