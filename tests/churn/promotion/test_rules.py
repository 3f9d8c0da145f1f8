from datetime import UTC, date, datetime

import pytest

from churn.ledger.entry import Decision, Draft, Entry, Stage
from churn.ledger.errors import DecisionRefused
from churn.ledger.standing import Standing, standing
from churn.promotion.request import PromotionRequest
from churn.promotion.rules import approval_of, decided_before, incumbent_of, require_promotable, require_still_true
from churn.promotion.stage import Target
from churn.promotion.verdict import Verdict

AT = datetime(2026, 3, 1, tzinfo=UTC)
CUTOFF = date(2026, 1, 1)


def entries(*drafts: Draft) -> list[Entry]:
    made: list[Entry] = []
    for draft in drafts:
        made.append(Entry.following(made[-1] if made else None, draft, AT))
    return made


def registered(version: str) -> Draft:
    return Draft(decision="registered", actor="training", version=version)


def promoted(version: str, stage: Stage, cutoff: date = CUTOFF) -> Draft:
    facts = {"cutoff": cutoff.isoformat()}
    return Draft(decision="promoted", actor="ada", version=version, stage=stage, facts=facts)


def request(version: str, to_stage: Target, holder: str | None, cutoff: date = CUTOFF) -> PromotionRequest:
    return PromotionRequest(
        version=version,
        to_stage=to_stage,
        digest="d" * 64,
        cutoff=cutoff,
        holder=holder,
        tables={"activity": 7},
        verdict=Verdict(decision="PROMOTE", reason="It passed.", checks=(), evidence_digest="e" * 64),
        run="run",
        attempt=1,
        asks=True,
        expires_at=AT,
    )


def stands(**stages: Stage) -> Standing:
    versions = {name.removeprefix("v"): stage for name, stage in stages.items()}
    return Standing(stages=versions, digests={}, unfinished=(), sequence=1)


@pytest.mark.parametrize(
    ("stage", "to_stage", "says"),
    [
        ("none", "production", "cannot go from none to production; promote it to staging first"),
        ("staging", "staging", "it is in staging already"),
        ("production", "production", "it is in production already"),
        ("production", "staging", "stages only go forward"),
        ("archived", "staging", "archived; a version does not come back"),
        ("archived", "production", "archived; a version does not come back"),
    ],
)
def test_only_the_next_stage_is_a_promotion(stage: Stage, to_stage: Target, says: str) -> None:
    with pytest.raises(DecisionRefused, match=says):
        require_promotable(stands(v1=stage), "1", to_stage)


def test_the_way_forward_is_open() -> None:
    require_promotable(stands(v1="none"), "1", "staging")
    require_promotable(stands(v1="staging"), "1", "production")


def test_an_unknown_version_is_named() -> None:
    with pytest.raises(DecisionRefused, match="version 9: the ledger knows no such version"):
        require_promotable(stands(v1="none"), "9", "staging")


@pytest.mark.parametrize(
    ("now", "to_stage", "incumbent"),
    [
        (stands(v1="none"), "staging", None),
        (stands(v1="none", v2="staging"), "staging", "2"),
        (stands(v1="none", v2="staging", v3="production"), "staging", "3"),
        (stands(v1="staging", v3="production"), "production", "3"),
        (stands(v1="staging", v3="archived"), "production", None),
    ],
)
def test_the_model_in_production_is_the_one_to_beat(now: Standing, to_stage: Target, incumbent: str | None) -> None:
    assert incumbent_of(now, "1", to_stage) == incumbent


def test_a_cutoff_decides_once_at_a_stage_and_never_against_the_version_it_decided_for() -> None:
    made = entries(registered("1"), registered("2"), promoted("1", "staging"))

    assert decided_before(made, "2", "staging", CUTOFF) == (
        "entry 3 of the ledger: version 1 to staging, 2026-03-01 00:00"
    )
    assert decided_before(made, "1", "staging", CUTOFF) is None
    assert decided_before(made, "1", "production", CUTOFF) is None
    assert decided_before(made, "2", "staging", date(2026, 1, 2)) is None


def decided(decision: Decision, version: str, replaces: str = "nothing") -> Draft:
    facts = {"replaces": replaces, "cutoff": CUTOFF.isoformat()}
    return Draft(decision=decision, actor="ada", version=version, stage="production", facts=facts)


APPROVED_AND_OVERTAKEN = (decided("approved", "1"), decided("deployed", "2"))


def test_an_approval_for_production_decides_by_its_cutoff_too() -> None:
    made = entries(registered("1"), registered("2"), decided("approved", "1"))

    assert decided_before(made, "2", "production", CUTOFF) == (
        "entry 3 of the ledger: version 1 to production, 2026-03-01 00:00"
    )


def test_the_last_word_on_a_version_is_an_approval() -> None:
    made = entries(
        registered("1"), promoted("1", "staging"), decided("rejected", "1"), decided("approved", "1", "nothing")
    )

    assert approval_of(made, "1") == made[-1]


@pytest.mark.parametrize(
    ("drafts", "says"),
    [
        ([], "the ledger knows no such version"),
        ([registered("1")], "in stage none, not approved for production; churn promote 1 --to production"),
        ([registered("1"), promoted("1", "staging")], "in stage staging, not approved for production"),
        (
            [registered("1"), promoted("1", "staging"), decided("rejected", "1")],
            r"since entry 3 \(rejected, .* ask again",
        ),
        ([registered("1"), promoted("1", "staging"), decided("expired", "1")], r"since entry 3 \(expired"),
        (
            [registered("1"), promoted("1", "staging"), decided("approved", "1"), decided("deployed", "1")],
            "in production already",
        ),
        (
            [registered("1"), registered("2"), promoted("1", "staging"), *APPROVED_AND_OVERTAKEN],
            "approved against nothing in production, where version 2 is now; the gate has to compare again",
        ),
        (
            [registered("1"), promoted("1", "staging"), decided("approved", "1", "7")],
            "approved against 7 in production, where no version is now",
        ),
    ],
)
def test_without_an_approval_that_still_holds_nothing_is_deployed(drafts: list[Draft], says: str) -> None:
    with pytest.raises(DecisionRefused, match=says):
        approval_of(entries(*drafts), "1")


def test_a_request_whose_world_is_still_there_may_go_on() -> None:
    made = entries(registered("1"), registered("2"), promoted("1", "staging"))

    require_still_true(request("2", "staging", "1", date(2026, 1, 2)), made, standing(made))


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (
            request("2", "staging", None, date(2026, 1, 2)),
            r"meanwhile ada changed staging \(entry 3 .*again",
        ),
        (request("2", "staging", "1"), "its test cutoff 2026-01-01 has decided before"),
        (request("1", "staging", None), "in staging already"),
    ],
)
def test_a_request_that_was_overtaken_is_told(asked: PromotionRequest, says: str) -> None:
    made = entries(registered("1"), registered("2"), promoted("1", "staging"))

    with pytest.raises(DecisionRefused, match=says):
        require_still_true(asked, made, standing(made))


def test_a_question_says_what_it_replaces_and_by_when() -> None:
    asked = request("2", "production", "1")

    assert asked.question.startswith("Promote version 2 to production in place of version 1? It passed.")
    assert "Answer true to approve or false to reject, by 2026-03-01 00:00 UTC." in asked.question
    assert asked.facts == {
        "run": "run",
        "request": "approve-1",
        "replaces": "1",
        "cutoff": "2026-01-01",
        "table activity": "7",
    }
