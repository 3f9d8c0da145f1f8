"""Changes of stage against two systems that follow, cut short anywhere."""

from collections.abc import Collection, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from churn.ledger.agreement import ALIASES, Observed, ObservedVersion, agrees, disagreements
from churn.ledger.changes import agree, change_stage, settle
from churn.ledger.entry import Draft, Entry, Stage
from churn.ledger.errors import DecisionRefused, VersionGone
from churn.ledger.ledger import Ledger
from churn.ledger.standing import Standing, standing
from tests.churn.ledger.conftest import Clock

VERSIONS = ("1", "2", "3")


class Killed(BaseException):
    """The process ended here."""


class Registries:
    """Stages and aliases in memory, changed one at a time, with an end after so many changes."""

    def __init__(self) -> None:
        self.stages: dict[str, Stage] = dict.fromkeys(VERSIONS, "none")
        self.aliases: dict[str, str] = {}
        self.left: int | None = None

    def check(self, version: str) -> None:
        if version not in self.stages:
            raise VersionGone(f"version {version} is missing")

    def follow(self, wanted: Standing) -> Collection[str]:
        missing = {v for v, stage in wanted.stages.items() if stage in ALIASES and v not in self.stages}
        for version, stage in wanted.stages.items():
            if version in self.stages and not agrees(stage, self.stages[version]):
                self._change()
                for other, its in self.stages.items():
                    if its == stage and stage in ALIASES:
                        self.stages[other] = "archived"
                self.stages[version] = "archived" if stage == "none" else stage
        for of, alias in ALIASES.items():
            holder = wanted.holder(of)
            if holder in missing or self.aliases.get(alias) == holder:
                continue
            self._change()
            if holder is None:
                del self.aliases[alias]
            else:
                self.aliases[alias] = holder
        return missing

    def _change(self) -> None:
        if self.left == 0:
            raise Killed
        if self.left is not None:
            self.left -= 1

    def observed(self) -> Observed:
        return Observed(
            versions={
                version: ObservedVersion(stage=stage, bundle_digest="d" * 64, tracked=version)
                for version, stage in self.stages.items()
            },
            aliases=self.aliases,
        )


def promotion(version: str, stage: Stage) -> Draft:
    return Draft(decision="promoted", phase="intent", actor="ada", version=version, stage=stage, bundle_digest="d" * 64)


def register_all(ledger: Ledger) -> None:
    drafts = [Draft(decision="registered", actor="training", version=v, bundle_digest="d" * 64) for v in VERSIONS]
    ledger.record(lambda entries: drafts)


def anything(entries: Sequence[Entry], now: Standing) -> None:
    """Every change is welcome."""


def test_a_promotion_ends_in_ledger_and_registries(ledger: Ledger) -> None:
    registries = Registries()
    register_all(ledger)

    entry = change_stage(ledger, registries, promotion("2", "staging"), anything)

    assert (entry.decision, entry.phase, entry.version, entry.stage) == ("promoted", "committed", "2", "staging")
    assert entry.change == entry.sequence - 1
    assert registries.stages["2"] == "staging"
    assert registries.aliases == {"staging": "2"}
    assert disagreements(standing(ledger.entries()), registries.observed()) == ()


def test_the_one_before_is_archived(ledger: Ledger) -> None:
    registries = Registries()
    register_all(ledger)
    change_stage(ledger, registries, promotion("1", "staging"), anything)

    change_stage(ledger, registries, promotion("2", "staging"), anything)

    assert standing(ledger.entries()).stages == {"1": "archived", "2": "staging", "3": "none"}
    assert registries.stages == {"1": "archived", "2": "staging", "3": "none"}


def test_which_version_was_live_at_a_time_has_one_answer(ledger: Ledger, clock: Clock) -> None:
    registries = Registries()
    register_all(ledger)
    changed = [change_stage(ledger, registries, promotion(v, "production"), anything).at for v in ("1", "3")]

    def live(at: datetime) -> str | None:
        return standing(ledger.entries(), at).holder("production")

    assert live(changed[0] - timedelta(seconds=1)) is None
    assert live(changed[0]) == "1"
    assert live(changed[1] - timedelta(seconds=1)) == "1"
    assert live(changed[1]) == "3"


def test_a_version_that_is_gone_is_refused_before_anything_is_entered(ledger: Ledger) -> None:
    registries = Registries()
    register_all(ledger)
    before = ledger.entries()
    del registries.stages["2"]

    with pytest.raises(VersionGone):
        change_stage(ledger, registries, promotion("2", "staging"), anything)

    assert ledger.entries() == before


def test_an_unfinished_change_of_a_version_that_is_gone_is_undone(ledger: Ledger) -> None:
    registries = Registries()
    register_all(ledger)
    change_stage(ledger, registries, promotion("1", "staging"), anything)
    registries.left = 0
    with pytest.raises(Killed):
        change_stage(ledger, registries, promotion("2", "staging"), anything)
    registries.left = None
    del registries.stages["2"]

    (ended,) = settle(ledger, registries)

    assert ended.phase == "undone"
    assert standing(ledger.entries()).holder("staging") == "1"
    assert registries.aliases == {"staging": "1"}


def test_a_stage_set_by_hand_is_put_right(ledger: Ledger) -> None:
    registries = Registries()
    register_all(ledger)
    change_stage(ledger, registries, promotion("1", "production"), anything)
    registries.stages.update({"3": "production", "1": "archived"})
    assert disagreements(standing(ledger.entries()), registries.observed()) == (
        "version 1: production in the ledger, archived in ZenML",
        "version 3: none in the ledger, production in ZenML",
    )

    assert agree(ledger, registries) == set()

    assert disagreements(standing(ledger.entries()), registries.observed()) == ()


def test_who_comes_second_is_told(ledger: Ledger) -> None:
    registries = Registries()
    register_all(ledger)

    def only_if_free(entries: Sequence[Entry], now: Standing) -> None:
        if now.holder("staging") is not None:
            raise DecisionRefused("taken")

    change_stage(ledger, registries, promotion("1", "staging"), only_if_free)

    with pytest.raises(DecisionRefused, match="taken"):
        change_stage(ledger, registries, promotion("2", "staging"), only_if_free)

    assert registries.stages["1"] == "staging"


@settings(max_examples=25)
@given(
    st.lists(
        st.tuples(st.sampled_from(VERSIONS), st.sampled_from(["staging", "production"]), st.integers(0, 5)),
        min_size=1,
        max_size=4,
    )
)
def test_cut_short_anywhere_the_next_command_leaves_no_disagreement(changes: list[tuple[str, Stage, int]]) -> None:
    with TemporaryDirectory() as folder:
        ledger = Ledger(str(Path(folder) / "lake"), Clock())
        registries = Registries()
        register_all(ledger)
        for version, stage, left in changes:
            registries.left = left
            with suppress(Killed):
                change_stage(ledger, registries, promotion(version, stage), anything)

        registries.left = None
        settle(ledger, registries)
        agree(ledger, registries)

        now = standing(ledger.entries())
        assert now.unfinished == ()
        assert disagreements(now, registries.observed()) == ()
        assert ledger.faults()[1] == ()
        last = [entry for entry in ledger.entries() if entry.decision == "promoted" and entry.phase == "committed"][-1]
        assert last.stage is not None
        assert now.holder(last.stage) == last.version


def test_times_are_those_of_the_clock(ledger: Ledger) -> None:
    register_all(ledger)

    assert ledger.entries()[0].at == datetime(2026, 3, 1, 0, 1, tzinfo=UTC)
