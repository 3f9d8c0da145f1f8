"""Data files of a Delta table: where they lie, how they are written, and who removes them when a commit fails."""

import io
import json
import os
import re
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import date
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

import fsspec
import polars as pl
from deltalake.transaction import AddAction, RemoveAction
from fsspec.implementations.local import LocalFileSystem

from churn.lake.schema import kept_types

_LOG_FILE = re.compile(r"/([0-9]{20}\.[\w.-]+|_last_checkpoint)$")
SEQUENCE_COLUMN = "ingest_seq"
"""The one column with min and max in the log: readers ask for ranges of it."""
_ARROW_SCHEMA = "ARROW:schema"
_ROW_GROUP = 2**19
"""Rows of a row group at most: a batch of the default size is one of them, so that each code is written once."""


class StagedFiles:
    """Files that exist but belong to no version yet; unless kept, they are removed on the way out.

    Each file is written at its final, random name: no reader looks at a file the log does not name, so a
    partial one is harmless, and a rename would be a second write on an object store.
    """

    def __init__(self, table_uri: str) -> None:
        self.id = uuid.uuid4().hex
        self._fs, self._root = fsspec.core.url_to_fs(table_uri)
        self._paths: list[str] = []
        self._keep = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._keep:
            self.remove()

    def keep(self) -> None:
        """Leave the files on the way out: a commit names them, or may name them."""
        self._keep = True

    def write(self, frame: pl.DataFrame, partition_by: str | None, *, data_change: bool = True) -> list[AddAction]:
        """Write one Parquet file per partition date and return what a commit says about each."""
        return [self._write(part, partition_by, day, data_change) for day, part in _split(frame, partition_by)]

    def _write(self, part: pl.DataFrame, partition_by: str | None, day: date | None, data_change: bool) -> AddAction:
        path = self._place(partition_by, day)
        # What an append writes is found by its date and sequence, which the log knows; the next compaction rewrites it.
        size = self._put(part, f"{self._root}/{path}", statistics=not data_change)
        return _addition(
            path,
            size,
            {partition_by: str(day)} if partition_by else {},
            _stats(part.height, part),
            data_change,
        )

    def _put(self, part: pl.DataFrame, full: str, *, statistics: bool) -> int:
        """Write one file and return its size.

        A local one goes straight to the disk: by way of memory its bytes are copied three times.
        """
        write = partial(
            part.write_parquet,
            compression="zstd",
            compression_level=1,
            statistics=statistics,
            row_group_size=_ROW_GROUP,
            metadata=_text_is_text(part.schema),
        )
        if isinstance(self._fs, LocalFileSystem):
            with open(full, "wb", buffering=0) as file:
                write(file)
                return os.fstat(file.fileno()).st_size
        buffer = io.BytesIO()
        write(buffer)
        data = buffer.getvalue()
        self._fs.pipe_file(full, data)
        return len(data)

    def _place(self, partition_by: str | None, day: date | None) -> str:
        """Choose a path below the table, make its folder, and remember it."""
        folder = f"{partition_by}={day}/" if partition_by else ""
        path = f"{folder}{uuid.uuid4()}.parquet"
        full = f"{self._root}/{path}"
        self._paths.append(full)
        self._fs.makedirs(full.rsplit("/", 1)[0], exist_ok=True)
        return path

    def adopt(self, file: Path, partition_by: str | None, day: date | None, *, data_change: bool = True) -> AddAction:
        """Take over a local Parquet file as it is; the caller may delete it afterwards."""
        path = self._place(partition_by, day)
        self._fs.put_file(str(file), f"{self._root}/{path}")
        rows = pl.scan_parquet(file, glob=False)
        sequence = pl.col(f"^{SEQUENCE_COLUMN}$")
        return _addition(
            path,
            file.stat().st_size,
            {partition_by: str(day)} if partition_by else {},
            _stats(rows.select(pl.len()).collect().item(), rows.select(sequence).collect()),
            data_change,
        )

    def remove(self) -> None:
        """Delete what was written, as far as the store allows; a leftover is harmless and falls to a vacuum."""
        for path in self._paths:
            with suppress(OSError):
                self._fs.rm_file(path)


def removals(files: pl.DataFrame, *, data_change: bool = False) -> list[RemoveAction]:
    """Return what a commit says about files whose rows it has put elsewhere, or taken away (`data_change`)."""
    at = time.time_ns() // 1_000_000
    paths = files["path"] if files.height else ()
    return [RemoveAction(path=path, deletion_timestamp=at, data_change=data_change) for path in paths]


def listed(actions: Sequence[AddAction | RemoveAction], partition_by: str | None) -> pl.DataFrame:
    """Return the files that a commit adds, as the table it makes lists them: `path`, `size`, `rows`, `date`."""
    return pl.DataFrame(
        [
            (
                action.path,
                action.size,
                json.loads(action.stats)["numRecords"],
                date.fromisoformat(str(action.partition_values[partition_by])) if partition_by else None,
            )
            for action in actions
            if isinstance(action, AddAction)
        ],
        schema={"path": pl.String, "size": pl.Int64, "rows": pl.Int64, "date": pl.Date},
        orient="row",
    )


def local_or_url(uri: str) -> str:
    """Return `uri` without a trailing slash, and a local `file://` URL as the path it stands for."""
    return uri.removeprefix("file://").rstrip("/")


def log_may_exist(uri: str) -> bool:
    """Tell whether a Delta log lies at `uri`; a place that may not be looked at counts as yes.

    What a process killed during the very first commit left behind is no log.
    """
    fs, root = fsspec.core.url_to_fs(uri)
    fs.invalidate_cache()
    try:
        return any(_LOG_FILE.search(path) for path in fs.ls(f"{root}/_delta_log", detail=False))
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True


def sizes(uri: str) -> dict[str, int]:
    """Return the size in bytes of every file below `uri`, by relative path."""
    fs, root = fsspec.core.url_to_fs(uri)
    fs.invalidate_cache()
    found = fs.find(root, detail=True)
    return {path.removeprefix(f"{root}/"): int(info["size"]) for path, info in found.items()}


def table_names(lake_url: str) -> list[str]:
    """Return the names of the tables directly below `lake_url`; none when the lake does not exist yet."""
    fs, root = fsspec.core.url_to_fs(lake_url)
    fs.invalidate_cache()
    try:
        folders = fs.ls(root, detail=False)
    except FileNotFoundError:
        return []
    names = sorted(folder.rstrip("/").rsplit("/", 1)[-1] for folder in folders)
    return [name for name in names if log_may_exist(f"{lake_url}/{name}")]


def _split(frame: pl.DataFrame, partition_by: str | None) -> Iterator[tuple[date | None, pl.DataFrame]]:
    """Cut a frame by date; dates that each stand in one piece, as most batches have them, are not copied."""
    if frame.is_empty():
        return
    if partition_by is None:
        yield None, frame
        return
    runs = frame[partition_by].rle().struct.unnest()
    if runs["value"].is_duplicated().any():
        for (day,), part in frame.partition_by(partition_by, include_key=False, as_dict=True).items():
            yield day, part
        return
    rows = frame.drop(partition_by)
    start = 0
    for length, day in runs.rows():
        yield day, rows.slice(start, length)
        start += length


def _text_is_text(schema: pl.Schema) -> dict[str, str]:
    """Return what a file says of its columns where a frame holds text as categories.

    Parquet has the same bytes for both, but a reader of Arrow goes by this note, and would find categories.
    """
    kept = kept_types(schema)
    if kept == schema:
        return {}
    said = io.BytesIO()
    pl.DataFrame(schema=kept).write_parquet(said)
    return {_ARROW_SCHEMA: pl.read_parquet_metadata(said.getvalue())[_ARROW_SCHEMA]}


def _addition(
    path: str, size: int, partition: dict[str, str], stats: dict[str, object], data_change: bool
) -> AddAction:
    return AddAction(
        path=path,
        size=size,
        partition_values=partition,
        modification_time=time.time_ns() // 1_000_000,
        data_change=data_change,
        stats=json.dumps(stats),
    )


def _stats(rows: int, part: pl.DataFrame) -> dict[str, object]:
    stats: dict[str, object] = {"numRecords": rows}
    if SEQUENCE_COLUMN in part.columns:
        sequence = part[SEQUENCE_COLUMN]
        stats["nullCount"] = {SEQUENCE_COLUMN: sequence.null_count()}
        if sequence.null_count() < rows:
            stats["minValues"] = {SEQUENCE_COLUMN: sequence.min()}
            stats["maxValues"] = {SEQUENCE_COLUMN: sequence.max()}
    return stats
