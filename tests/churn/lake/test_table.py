import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import fsspec
import polars as pl
import pytest
from deltalake import DeltaTable, QueryBuilder, write_deltalake
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from churn.errors import ChurnError, CommitConflict
from churn.lake.create import create_table
from churn.lake.table import Pinned, open_table, open_version

Events = Callable[..., pl.DataFrame]


def ids(table: Pinned) -> list[str]:
    return sorted(table.scan(["event_id"]).collect()["event_id"])


def test_an_appended_frame_comes_back_as_it_was(table: Pinned, events: Events) -> None:
    frame = pl.concat([events("a", "b"), events("c", day=2)]).select(reversed(events().columns))

    after = table.append(frame, fence="ingest")

    assert_frame_equal(after.scan(frame.columns).collect(), frame, check_row_order=False)
    assert (after.version, after.rows, table.rows) == (1, 3, 0)


def test_an_empty_append_is_a_commit_without_files(table: Pinned, events: Events) -> None:
    after = table.append(events(), fence="ingest", transactions=["object:1"])

    assert (after.version, after.files(), after.fence("ingest")) == (1, [], 1)
    assert after.has_transaction("object:1")
    assert not after.has_transaction("object:2")
    assert not table.has_transaction("object:1")


def test_fences_count_apart_and_start_at_zero(table: Pinned, events: Events) -> None:
    after = table.append(events("a"), fence="ingest").append(events("b"), fence="ingest").append(events(), fence="x")

    assert [after.fence(name) for name in ("ingest", "x", "never")] == [2, 1, 0]


@pytest.mark.parametrize("version", [0, 1, 18, 19, 20, 39, 45])
def test_transactions_are_those_delta_itself_knows_before_and_after_checkpoints(
    table: Pinned, events: Events, version: int
) -> None:
    current = table
    for number in range(45):
        current = current.append(events(), fence="ingest", transactions=[f"object:{number}", f"twin:{number}"])
    asked = [f"{kind}:{number}" for kind in ("object", "twin") for number in range(45)]

    pinned, delta = open_version(table.uri, version), DeltaTable(table.uri, version=version)

    assert list(Path(table.uri, "_delta_log").glob("*.checkpoint.parquet"))
    assert {app for app in asked if pinned.has_transaction(app)} == {
        app for app in asked if delta.transaction_version(app) is not None
    }
    assert len(pinned.transactions) == (2 * version + 1 if version else 0)


def test_dates_choose_files_and_values_come_from_the_log(table: Pinned, events: Events) -> None:
    after = table.append(pl.concat([events("a", day=1), events("b", day=2), events("c", day=3)]), fence="ingest")

    wanted = [date(2026, 1, 2), date(2026, 1, 3), date(2026, 1, 9)]

    assert len(after.files()) == 3
    assert len(after.files(wanted)) == 2
    assert after.files([]) == []
    assert sorted(after.scan(["event_date", "event_id"], wanted).collect().rows()) == [
        (date(2026, 1, 2), "b"),
        (date(2026, 1, 3), "c"),
    ]
    assert after.scan(dates=[]).collect_schema() == after.schema


def test_folders_above_the_lake_that_look_like_partitions_do_no_harm(
    tmp_path: Path, schema: pl.Schema, events: Events
) -> None:
    uri = f"file://{tmp_path}/env=prod/event_date=1999-01-01/my lake"
    after = create_table(uri, schema, name="t", partition_by="event_date").append(events("a"), fence="ingest")

    assert after.scan(["event_id", "event_date"]).collect().rows() == [("a", date(2026, 1, 1))]
    assert after.scan().collect_schema() == schema


def test_versions_read_the_same_after_a_compaction(table: Pinned, events: Events) -> None:
    first = table.append(events("a"), fence="ingest")
    second = first.append(events("b"), fence="ingest")
    DeltaTable(table.uri).optimize.compact()

    latest = open_version(table.uri)

    assert (len(latest.files()), ids(latest), latest.fence("ingest")) == (1, ["a", "b"], 2)
    assert (ids(first), ids(open_version(table.uri, second.version))) == (["a"], ["a", "b"])
    assert latest.scan().collect_schema() == second.schema


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda f: f.drop("amount"), "amount is missing"),
        (lambda f: f.with_columns(extra=1), "extra is unknown"),
        (lambda f: f.with_columns(ingest_seq=pl.lit("1")), "ingest_seq is String, the table has Int64"),
        (lambda f: f.with_columns(event_date=pl.lit(None, pl.Date)), "event_date is null in 1 rows"),
    ],
)
def test_a_frame_that_does_not_fit_is_refused(
    table: Pinned, events: Events, change: Callable[[pl.DataFrame], pl.DataFrame], fault: str
) -> None:
    with pytest.raises(ChurnError, match=fault):
        table.append(change(events("a")), fence="ingest")
    assert open_version(table.uri).version == 0


def test_what_is_no_table_is_none_and_a_missing_or_damaged_version_says_so(lake: str, table: Pinned) -> None:
    assert open_table(f"{lake}/nothing") is None
    assert open_table(lake) is None
    with pytest.raises(ChurnError, match=r"activity: version 99 cannot be opened .*restore _delta_log"):
        open_table(table.uri, 99)
    with pytest.raises(ChurnError, match="nothing: no such table"):
        open_version(f"{lake}/nothing")
    Path(table.uri, "_delta_log", f"{0:020}.json").write_text("{broken")
    with pytest.raises(ChurnError, match="activity: the latest version cannot be opened"):
        open_table(table.uri)


def test_a_log_that_lost_its_start_is_damaged_not_missing(table: Pinned, events: Events) -> None:
    table.append(events("a"), fence="ingest")
    Path(table.uri, "_delta_log", f"{0:020}.json").unlink()

    with pytest.raises(ChurnError, match="cannot be opened"):
        open_table(table.uri)


def test_a_place_that_may_not_be_looked_at_is_no_missing_table(lake: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def deny(path: str, **_: object) -> None:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(fsspec.filesystem("file"), "ls", deny)

    with pytest.raises(ChurnError, match="pins: the latest version cannot be opened"):
        open_table(f"{lake}/pins")


def test_a_version_stays_itself_after_later_ones_are_committed_from_it(table: Pinned, events: Events) -> None:
    first = table.append(events("a"), fence="ingest", transactions=["object:a"])
    second = first.append(events("b"), fence="ingest", transactions=["object:b"])
    assert (second.rows, second.fence("ingest")) == (2, 2)

    assert (first.version, first.rows, first.fence("ingest")) == (1, 1, 1)
    assert first.metadata_since("ingest", 0)[-1]["sequence"] == 1
    assert not first.has_transaction("object:b")
    with pytest.raises(CommitConflict):
        first.append(events("c"), fence="ingest")
    assert second.append(events("c"), fence="ingest").rows == 3


def test_what_a_version_knows_of_the_one_after_it_is_what_its_log_says(table: Pinned, events: Events) -> None:
    current, known = table, [table]
    for batch in (events("a", day=1), pl.concat([events("b", day=1), events("c", day=2)]), events()):
        assert current.active.height == current.rows
        assert f"object:{current.version - 1}" in current.transactions or current.version == 0
        current = current.append(batch, fence="ingest", transactions=[f"object:{current.version}"])
        known.append(current)
    known.append(current.rewrite(current.active.filter(date=date(2026, 1, 1)), fence="compact"))

    for version in known:
        read = open_version(table.uri, version.version)
        assert_frame_equal(version.active, read.active)
        assert version.transactions == read.transactions
        assert (version.schema, version.partition_by) == (read.schema, read.partition_by)
        assert [version.fence(name) for name in ("ingest", "compact")] == [
            read.fence(name) for name in ("ingest", "compact")
        ]


def test_commits_one_after_another_open_the_log_once(
    table: Pinned, events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[int] = []

    def counted(uri: str, version: int) -> DeltaTable:
        opened.append(version)
        return DeltaTable(uri, version=version)

    monkeypatch.setattr("churn.lake.table.DeltaTable", counted)
    monkeypatch.setattr("churn.lake.commit_log.DeltaTable", counted)
    current = table

    for name in "abcd":
        assert current.files() == [f"{table.uri}/{path}" for path in current.active["path"]]
        current = current.append(events(name), fence="ingest")

    assert opened == [0]
    assert open_version(table.uri).rows == current.rows == 4


def test_threads_that_read_versions_committed_from_each_other_each_see_their_own(table: Pinned, events: Events) -> None:
    versions = [table]
    for name in "abc":
        versions.append(versions[-1].append(events(name), fence="ingest"))

    def fences(version: Pinned) -> set[int]:
        return {version.fence("ingest") for _ in range(100)}

    with ThreadPoolExecutor(len(versions)) as threads:
        assert list(threads.map(fences, versions)) == [{0}, {1}, {2}, {3}]


def test_metadata_since_returns_only_that_fence_after_that_sequence(table: Pinned, events: Events) -> None:
    current = table
    for number in range(1, 61):
        current = current.append(events(), fence="ingest", metadata={"objects": number})
        current = current.append(events(), fence="other", metadata={"objects": -1})
    pinned = current
    current.append(events(), fence="ingest", metadata={"objects": 61})

    assert [note["objects"] for note in pinned.metadata_since("ingest", 57)] == [58, 59, 60]
    assert [note["objects"] for note in pinned.metadata_since("ingest", 0)] == list(range(1, 61))
    assert pinned.metadata_since("ingest", 60) == []
    assert pinned.metadata_since("never", 0) == []


def test_metadata_that_the_log_lost_is_an_error_not_a_shorter_list(table: Pinned, events: Events) -> None:
    current = table.append(events(), fence="ingest").append(events(), fence="ingest")
    commit = Path(table.uri, "_delta_log", f"{1:020}.json")
    lines = commit.read_text().splitlines()
    commit.write_text("\n".join(line for line in lines if not line.startswith('{"commitInfo"')) + "\n")

    assert [note["sequence"] for note in current.metadata_since("ingest", 1)] == [2]
    with pytest.raises(ChurnError, match="1 of 2 commits under ingest lost their metadata"):
        current.metadata_since("ingest", 0)


def test_other_engines_filter_correctly_on_columns_without_statistics(table: Pinned, events: Events) -> None:
    after = table.append(events("a", "b"), fence="ingest").append(events("c", day=2), fence="ingest")

    query = "select event_id from t where event_id >= 'b' and amount >= 0 and ingest_seq = 1 order by 1"
    found = QueryBuilder().register("t", DeltaTable(after.uri)).execute(query).read_all()
    lazily = pl.scan_delta(after.uri).filter(pl.col("event_id") >= "b", pl.col("ingest_seq") >= 1).collect()
    by_arrow = DeltaTable(after.uri).to_pyarrow_table(filters=[("event_id", ">=", "b"), ("ingest_seq", "=", 1)])

    assert pl.DataFrame(found)["event_id"].to_list() == ["b", "c"]
    assert sorted(lazily["event_id"]) == ["b", "c"]
    assert sorted(by_arrow["event_id"].to_pylist()) == ["b", "c"]
    assert DeltaTable(after.uri).count() == 3


def test_a_table_without_partition_and_rows_by_delta_itself_are_read(lake: str) -> None:
    frame = pl.DataFrame({"a": ["x", "y"]})
    table = create_table(f"{lake}/plain", frame.schema, name="plain").append(frame, fence="f")
    write_deltalake(table.uri, frame, mode="append")

    latest = open_version(table.uri)

    assert sorted(latest.scan().collect()["a"]) == ["x", "x", "y", "y"]
    with pytest.raises(ChurnError, match="not partitioned"):
        latest.files([date(2026, 1, 1)])


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    batches=st.lists(
        st.lists(st.tuples(st.text(max_size=5), st.integers(1, 4)), max_size=6),
        max_size=5,
    )
)
def test_every_version_holds_exactly_the_union_of_its_appends(
    tmp_path: Path, schema: pl.Schema, events: Events, batches: list[list[tuple[str, int]]]
) -> None:
    uri = tmp_path / "t"
    shutil.rmtree(uri, ignore_errors=True)
    current = create_table(str(uri), schema, name="t", partition_by="event_date")

    for batch in batches:
        current = current.append(pl.concat([events(), *(events(name, day=day) for name, day in batch)]), fence="f")

    for version in range(len(batches) + 1):
        rows = open_version(str(uri), version).scan(["event_id", "event_date"]).collect().rows()
        expected = [(name, date(2026, 1, day)) for batch in batches[:version] for name, day in batch]
        assert sorted(rows) == sorted(expected)
