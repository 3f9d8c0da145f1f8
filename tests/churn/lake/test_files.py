from collections.abc import Callable
from pathlib import Path

import fsspec
import polars as pl
import pyarrow.parquet as pq  # type: ignore[import-untyped, unused-ignore]
import pytest
from polars.testing import assert_frame_equal

from churn.lake.files import StagedFiles
from churn.lake.table import Pinned, open_version
from churn.lake.upkeep import compact
from churn.settings import IngestionSettings

Events = Callable[..., pl.DataFrame]


@pytest.mark.parametrize("days", [[1], [1, 2, 3], [2, 1], [1, 2, 1, 2, 1], [3, 1, 1, 3]], ids=str)
def test_each_date_is_one_file_with_its_rows_in_order(table: Pinned, events: Events, days: list[int]) -> None:
    # given rows whose dates come once each, or over and over
    frame = pl.concat([events(f"{i}-first", f"{i}-second", day=day) for i, day in enumerate(days)])

    after = table.append(frame, fence="ingest")

    assert after.active["date"].dt.day().sort().to_list() == sorted(set(days))
    assert after.active["rows"].to_list() == [2 * days.count(day.day) for day in after.active["date"]]
    read = after.scan(frame.columns).collect()
    assert_frame_equal(read, frame.sort("event_date", maintain_order=True), check_row_order=True)


def test_only_a_compacted_file_has_statistics_for_every_column(lake: str, table: Pinned, events: Events) -> None:
    appended = table.append(events("a", "b"), fence="ingest").append(events("c"), fence="ingest")
    compact(lake, "activity", min_files=2)

    def with_statistics(table: Pinned) -> set[bool]:
        groups = [pq.read_metadata(path).row_group(0) for path in table.files()]
        return {group.column(at).is_stats_set for group in groups for at in range(group.num_columns)}

    assert with_statistics(appended) == {False}
    assert with_statistics(open_version(table.uri)) == {True}


def test_a_batch_of_the_default_size_is_one_row_group(table: Pinned, events: Events) -> None:
    # given more rows than Polars puts into a row group by itself
    batch = events("a").select(pl.all().repeat_by(IngestionSettings().batch_rows).explode())

    after = table.append(batch, fence="ingest")

    assert [pq.read_metadata(path).num_row_groups for path in after.files()] == [1]


def test_files_reach_any_store_as_plain_bytes(events: Events, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    # given a store such as S3, whose client takes bytes and no view of a buffer
    given: list[type] = []
    store = fsspec.filesystem("memory")
    monkeypatch.setattr(type(store), "pipe_file", lambda self, path, value, **_: given.append(type(value)))

    with StagedFiles(f"memory://{tmp_path}") as staged:
        staged.write(events("a"), "event_date")

    assert given == [bytes]
