"""The quarantine against the journal: a row that is there twice, or not at all, is never passed over."""

import dataclasses
from collections.abc import Callable
from datetime import datetime, timedelta

import polars as pl
import pytest

from churn.errors import AccountingError
from churn.ingestion import batch, journal, quarantine
from churn.ingestion.collect import Collected, collect
from churn.lake.opened import Opened
from churn.lake.table import Pinned, open_table
from churn.privacy.subjects import SubjectMap
from tests.world import START, World, make_event

LATER = START + timedelta(hours=2)
Change = Callable[[pl.DataFrame], pl.DataFrame]


def two_bad_lines(world: World) -> None:
    world.upload([make_event(0), *(make_event(number, customer_id=None) for number in (1, 2))])


def second_for_all(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(line=pl.lit(2, dtype=pl.Int64))


def without_last(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.head(-1)


def with_last_again(rows: pl.DataFrame) -> pl.DataFrame:
    return pl.concat([rows, rows.tail(1)])


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (second_for_all, r"holds line 2 of \S+/part-0\.jsonl twice"),
        (without_last, r"holds 1 rows of \S+/part-0\.jsonl, of which 2 were quarantined"),
        (with_last_again, r"holds 3 rows of \S+/part-0\.jsonl, of which 2 were quarantined"),
    ],
)
def test_rows_that_are_not_those_the_journal_counted_are_neither_shown_nor_replayed(
    world: World, monkeypatch: pytest.MonkeyPatch, change: Change, fault: str
) -> None:
    add = quarantine.add

    def add_changed(lake_url: str, rows: pl.DataFrame, quarantined_at: datetime, opened: Opened) -> None:
        add(lake_url, change(rows), quarantined_at, opened)

    monkeypatch.setattr(quarantine, "add", add_changed)
    two_bad_lines(world)
    world.ingest()

    for narrowed in ({}, {"reason": "no-such-reason"}, {"source_file": "no-such-object"}):
        with pytest.raises(AccountingError, match=fault):
            quarantine.open_rows(world.lake, **narrowed)
    with pytest.raises(AccountingError, match=fault):
        world.ingestion().replay_quarantine(now=LATER, run_id="replay")
    assert world.rows("journal").filter(status="replayed").is_empty()


def test_a_quarantine_that_is_gone_is_not_taken_for_an_empty_one(world: World) -> None:
    two_bad_lines(world)
    world.ingest()
    (world.root / "lake" / "quarantine").rename(world.root / "elsewhere")

    with pytest.raises(AccountingError, match="holds 0 rows of"):
        quarantine.open_rows(world.lake)


@pytest.mark.parametrize(("after", "lines"), [(1, [2, 3, 4]), (2, [2, 3])], ids=["journal", "table"])
def test_an_object_replaced_while_the_quarantine_is_opened_does_not_vanish_from_it(
    world: World, monkeypatch: pytest.MonkeyPatch, after: int, lines: list[int]
) -> None:
    # given a replacement that is ingested once the journal is open, or the stream's table too
    two_bad_lines(world)
    world.ingest()
    opened: list[str] = []

    def replaced_meanwhile(uri: str) -> Pinned | None:
        table = open_table(uri)
        opened.append(uri)
        if len(opened) == after:
            world.upload([make_event(0), *(make_event(number, customer_id=None) for number in (1, 2, 3))])
            world.ingest(LATER)
        return table

    monkeypatch.setattr(journal, "open_table", replaced_meanwhile)

    assert quarantine.open_rows(world.lake)["line"].to_list() == lines
    assert quarantine.open_rows(world.lake)["line"].to_list() == [2, 3, 4]


def test_a_run_killed_before_the_journal_followed_hides_nothing_that_it_committed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "catch_up", lambda *_: None)
    two_bad_lines(world)
    world.ingest()
    monkeypatch.undo()
    held, counts = quarantine.open_rows(world.lake), journal.totals(world.lake)

    assert held["line"].to_list() == [2, 3]
    assert counts.rows() == [("activity", 1, 3, 1, 0, 2)]
    world.ingest(LATER)
    assert quarantine.open_rows(world.lake).equals(held)
    assert journal.totals(world.lake).equals(counts)


@pytest.mark.parametrize(
    ("line", "fault"), [(2, "is quarantined with line 2 and a second time"), (1, "is quarantined with line 1 ")]
)
def test_a_refused_line_that_is_counted_twice_stops_the_batch(
    world: World, monkeypatch: pytest.MonkeyPatch, line: int, fault: str
) -> None:
    def collect_wrongly(*arguments: object) -> Collected:
        collected = collect(*arguments)  # type: ignore[arg-type]
        lines = pl.when(pl.col("line") == 3).then(pl.lit(line, dtype=pl.Int64)).otherwise("line")
        return dataclasses.replace(collected, rejects=collected.rejects.with_columns(line=lines))

    monkeypatch.setattr(batch, "collect", collect_wrongly)
    two_bad_lines(world)

    with pytest.raises(AccountingError, match=fault):
        world.ingest()
    assert world.rows("quarantine").is_empty()
    assert world.rows().is_empty()


def test_who_is_only_in_refused_rows_gets_no_token(world: World) -> None:
    world.upload([make_event(0, customer_id="c1"), make_event(1, customer_id="c2", event_time="never")])

    assert world.ingest().counts.quarantined == 1
    assert world.rows("subjects").filter(kind="customer").height == 1
    known = SubjectMap(world.lake, world.key.data_key()).tokens_for(["c1", "c2"], "customer")
    assert known == {"c1": world.rows()["customer_id"].item()}
