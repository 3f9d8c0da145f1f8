from collections.abc import Callable
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from churn.errors import ChurnError, CommitConflict
from churn.lake.create import create_table
from churn.lake.table import Pinned, open_version
from churn.lake.upkeep import compact

Events = Callable[..., pl.DataFrame]
FIRST, SECOND = date(2026, 1, 1), date(2026, 1, 2)


@pytest.fixture
def file(tmp_path: Path, events: Events) -> Callable[..., Path]:
    """Write rows to a local file, as a query engine would: without the partition column."""

    def write(*ids: str, day: int = 1, **columns: pl.Expr) -> Path:
        path = tmp_path / f"{'-'.join(ids)}.parquet"
        events(*ids, day=day).drop("event_date").with_columns(**columns).write_parquet(path)
        return path

    return write


def ids(table: Pinned, *dates: date) -> list[str]:
    return sorted(table.scan(["event_id"], dates=dates or None).collect()["event_id"])


def stored(table: Pinned) -> set[str]:
    return {path.name for path in Path(table.uri).rglob("*.parquet")}


def test_files_come_in_place_of_others(table: Pinned, events: Events, file: Callable[..., Path]) -> None:
    before = table.append(events("a", "b"), fence="ingest").append(events("c", day=2), fence="ingest")
    old = before.active.filter(pl.col("date") == FIRST)

    after = before.replace_files([(file("d"), FIRST), (file("e", day=2), SECOND)], old, fence="build")

    assert (after.version, after.rows) == (before.version + 1, 3)
    assert (ids(after, FIRST), ids(after, SECOND)) == (["d"], ["c", "e"])
    assert ids(before) == ["a", "b", "c"]
    assert ids(open_version(table.uri)) == ["c", "d", "e"]
    assert open_version(table.uri).scan().collect()["event_date"].to_list().count(FIRST) == 1


def test_a_local_file_is_taken_byte_for_byte_and_may_go(table: Pinned, file: Callable[..., Path]) -> None:
    local = file("a")
    content = local.read_bytes()

    after = table.replace_files([(local, FIRST)], table.active, fence="build")
    local.unlink()

    [kept] = after.files()
    assert Path(kept).read_bytes() == content
    assert ids(after) == ["a"]


def test_nothing_for_nothing_is_a_commit_that_says_so(table: Pinned, events: Events) -> None:
    before = table.append(events("a"), fence="ingest")

    after = before.replace_files([], before.active.clear(), fence="build", metadata={"rows": 1})

    assert ids(after) == ["a"]
    assert (after.fence("build"), after.metadata_since("build", 0)[0]["rows"]) == (1, 1)


def test_a_file_of_other_columns_or_types_is_refused(table: Pinned, file: Callable[..., Path]) -> None:
    codes = pl.col("event_id").cast(pl.Categorical)
    wrong = [file("more", extra=pl.lit(1)), file("type", ingest_seq=pl.lit("1")), file("codes", event_id=codes)]

    for path in wrong:
        with pytest.raises(ChurnError, match=path.name):
            table.replace_files([(path, FIRST)], table.active, fence="build")

    assert (open_version(table.uri).version, stored(table)) == (0, set())


def test_who_comes_second_writes_nothing(table: Pinned, events: Events, file: Callable[..., Path]) -> None:
    seen = open_version(table.uri)
    table.append(events("a"), fence="ingest")
    before = stored(table)

    with pytest.raises(CommitConflict):
        seen.replace_files([(file("b"), FIRST)], seen.active, fence="build")

    assert ids(open_version(table.uri)) == ["a"]
    assert stored(table) == before


def test_a_table_without_partitions_takes_files_without_a_date(lake: str, tmp_path: Path) -> None:
    frame = pl.DataFrame({"x": [1, 2]}, schema={"x": pl.Int64})
    frame.write_parquet(tmp_path / "x.parquet")
    table = create_table(f"{lake}/plain", frame.schema, name="plain")

    after = table.replace_files([(tmp_path / "x.parquet", None)], table.active, fence="build")

    assert after.scan().collect().equals(frame)


def test_the_log_knows_the_range_of_each_file(table: Pinned, events: Events, file: Callable[..., Path]) -> None:
    written = events("a", "b", "c").with_columns(ingest_seq=pl.Series([7, None, 9], dtype=pl.Int64))
    after = table.append(written, fence="ingest")
    after = after.replace_files([(file("d", ingest_seq=pl.lit(12, pl.Int64)), FIRST)], after.active.clear(), fence="b")
    after = after.append(events("e").with_columns(ingest_seq=pl.lit(None, pl.Int64)), fence="ingest")

    ranges = after.sequences

    assert ranges["path"].to_list() == after.active["path"].to_list()
    assert set(ranges.select("first", "last").rows()) == {(7, 9), (12, 12), (None, None)}


def test_a_compaction_keeps_the_range(table: Pinned, events: Events, lake: str) -> None:
    for number in (3, 5):
        table = table.append(events(str(number)).with_columns(ingest_seq=pl.lit(number, pl.Int64)), fence="ingest")

    compact(lake, "activity", 2)

    assert open_version(table.uri).sequences.select("first", "last").rows() == [(3, 5)]


def test_a_table_without_a_sequence_has_no_ranges(lake: str) -> None:
    frame = pl.DataFrame({"x": [1]}, schema={"x": pl.Int64})
    table = create_table(f"{lake}/plain", frame.schema, name="plain").append(frame, fence="f")

    assert table.sequences.select("first", "last").rows() == [(None, None)]
    assert create_table(f"{lake}/empty", frame.schema, name="empty").sequences.is_empty()
