"""Which versions were in production, and which of them there is a way back to."""

from typing import Final

import hypothesis.strategies as st
import pytest
from hypothesis import given

from churn.ledger.entry import Decision, Draft, Entry, Stage
from churn.ledger.standing import last_healthy, standing, were_live
from tests.churn.ledger.conftest import START

DEPLOYED: Final = "deployed"
BACK: Final = "rolled_back"
Move = tuple[Decision, str]


def entries(*moves: Move, stage: Stage = "production") -> list[Entry]:
    """Every version registered, then one change of stage after the other, each with its intent."""
    drafts = [Draft(decision="registered", actor="a", version=version) for version in "1234"]
    for decision, version in moves:
        intent = len(drafts) + 1
        draft = Draft(decision=decision, phase="intent", actor="a", version=version, stage=stage)
        drafts += [draft, draft.model_copy(update={"phase": "committed", "change": intent})]
    found: list[Entry] = []
    for draft in drafts:
        found.append(Entry.following(found[-1] if found else None, draft, START))
    return found


@pytest.mark.parametrize(
    ("moves", "healthy"),
    [
        ([], None),
        ([(DEPLOYED, "1")], None),
        ([(DEPLOYED, "1"), (DEPLOYED, "2")], "1"),
        ([(DEPLOYED, "1"), (DEPLOYED, "2"), (DEPLOYED, "3")], "2"),
        ([("promoted", "1"), (DEPLOYED, "2")], "1"),
        # A version that was left by a rollback is no place to go back to.
        ([(DEPLOYED, "1"), (DEPLOYED, "2"), (BACK, "1")], None),
        ([(DEPLOYED, "1"), (DEPLOYED, "2"), (DEPLOYED, "3"), (BACK, "2")], "1"),
        ([(DEPLOYED, "1"), (DEPLOYED, "2"), (BACK, "1"), (DEPLOYED, "3")], "1"),
        ([(DEPLOYED, "1"), (DEPLOYED, "2"), (DEPLOYED, "3"), (BACK, "1")], "2"),
    ],
)
def test_the_way_back_leads_to_the_last_version_that_no_rollback_left(moves: list[Move], healthy: str | None) -> None:
    assert last_healthy(entries(*moves)) == healthy


def test_a_canary_that_was_taken_back_was_never_live() -> None:
    found = entries((DEPLOYED, "1"), (DEPLOYED, "2"))
    canary = Draft(decision=BACK, actor="churn", version="3", stage="archived")
    unproved = Draft(decision=BACK, actor="churn", version="4")
    for draft in (canary, unproved):
        found.append(Entry.following(found[-1], draft, START))

    assert were_live(found) == {"1", "2"}
    assert last_healthy(found) == "1"
    assert standing(found).holder("production") == "2"


def test_what_was_approved_or_only_begun_was_not_live() -> None:
    found = entries((DEPLOYED, "1"), ("approved", "2"))
    intent = Draft(decision=DEPLOYED, phase="intent", actor="a", version="3", stage="production")
    found.append(Entry.following(found[-1], intent, START))

    assert were_live(found) == {"1"}
    assert were_live(entries(("promoted", "1"), stage="staging")) == set()


@given(st.lists(st.tuples(st.sampled_from([DEPLOYED, BACK]), st.sampled_from("1234"))))
def test_the_way_back_leads_to_a_former_version_that_is_archived_now(moves: list[Move]) -> None:
    found = entries(*moves)

    healthy = last_healthy(found)

    assert were_live(found) == {version for _, version in moves}
    assert healthy is None or healthy in were_live(found)
    assert healthy is None or standing(found).stages[healthy] == "archived"
