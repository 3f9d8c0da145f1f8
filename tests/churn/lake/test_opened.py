import shutil
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable

from churn.lake import opening
from churn.lake.create import create_table
from churn.lake.opened import Opened
from churn.lake.table import Pinned, open_version

Events = Callable[..., pl.DataFrame]


@pytest.fixture
def logs_read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The table of each log that is read."""
    read: list[str] = []

    def note(uri: str, version: int | None = None) -> DeltaTable:
        read.append(uri)
        return DeltaTable(uri, version=version)

    monkeypatch.setattr(opening, "DeltaTable", note)
    return read


def test_a_table_nobody_else_commits_to_is_read_once(table: Pinned, events: Events, logs_read: list[str]) -> None:
    opened = Opened()

    for number in range(3):
        current = opened.open(table.uri)
        assert current is not None
        opened.follow(current.append(events(f"e{number}"), fence="ingest"))

    last = opened.open(table.uri)
    assert last is not None
    assert (last.version, last.rows, last.fence("ingest")) == (3, 3, 3)
    assert last.scan().collect().height == 3
    assert logs_read == [table.uri]


def test_what_others_have_committed_is_seen(table: Pinned, events: Events) -> None:
    opened = Opened()
    opened.open(table.uri)
    open_version(table.uri).append(events("theirs"), fence="ingest", transactions=["object:1"])

    seen = opened.open(table.uri)

    assert seen is not None
    assert (seen.version, seen.fence("ingest")) == (1, 1)
    assert seen.has_transaction("object:1")


def test_a_table_that_is_gone_or_put_back_is_not_taken_for_the_one_that_was_open(
    table: Pinned, lake: str, events: Events
) -> None:
    shutil.copytree(table.uri, f"{lake}/copy")
    opened = Opened()
    opened.follow(table.append(events("lost"), fence="ingest"))

    shutil.rmtree(table.uri)
    assert opened.open(table.uri) is None

    shutil.move(f"{lake}/copy", table.uri)
    back = opened.open(table.uri)
    assert back is not None
    assert (back.version, back.fence("ingest")) == (0, 0)


def test_columns_are_added_to_a_table_that_is_open(table: Pinned, schema: pl.Schema, logs_read: list[str]) -> None:
    opened = Opened()
    wider = pl.Schema([*schema.items(), ("channel", pl.String())])
    options = {"name": "activity", "partition_by": "event_date"}

    same = opened.create(table.uri, schema, **options)
    evolved = opened.create(table.uri, wider, **options)
    before = len(logs_read)
    again = opened.create(table.uri, wider, **options)

    assert (same.version, evolved.version, again.version) == (0, 1, 1)
    assert list(again.schema) == list(wider)
    assert len(logs_read) == before


def test_fences_and_transactions_are_handed_on_by_a_commit(table: Pinned, events: Events) -> None:
    first = table.append(events("a"), fence="ingest", transactions=["object:1"])
    assert first.has_transaction("object:1")
    assert first.fence("other") == 0

    second = first.append(events("b"), fence="other", transactions=["object:2"])

    fresh = open_version(table.uri)
    assert second.transactions == fresh.transactions
    for fence in ("ingest", "other", "object:2"):
        assert second.fence(fence) == fresh.fence(fence)


@pytest.mark.parametrize("hint", [None, "", "[]", '{"version": 99}', '{"version": 7}'])
def test_transactions_are_read_whatever_the_hint_to_the_last_checkpoint_says(
    table: Pinned, events: Events, hint: str | None
) -> None:
    current = table
    for number in range(22):
        current = current.append(events(), fence="ingest", transactions=[f"object:{number}"])
    file = Path(table.uri, "_delta_log", "_last_checkpoint")
    file.unlink()
    if hint is not None:
        file.write_text(hint)

    assert open_version(table.uri, 22).transactions == {"ingest", *(f"object:{number}" for number in range(22))}


def test_a_table_made_meanwhile_is_opened(lake: str, schema: pl.Schema) -> None:
    opened = Opened()
    assert opened.open(f"{lake}/late") is None
    create_table(f"{lake}/late", schema, name="late")

    table = opened.open(f"{lake}/late")
    assert table is not None
    assert table.version == 0
