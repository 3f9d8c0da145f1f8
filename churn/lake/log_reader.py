"""Reads application transactions straight from the Delta log.

Delta answers for one transaction at a time and reads the log again for each, 1 to 5 ms; a batch of a thousand
landing objects would spend seconds on it.
"""

import io
import json
import re
from contextlib import suppress

import fsspec
import polars as pl

_CHECKPOINT = re.compile(r"(\d{20})\.checkpoint\.parquet$")


def transactions(uri: str, version: int) -> frozenset[str]:
    """Return every application transaction committed up to `version`."""
    fs, root = fsspec.core.url_to_fs(uri)
    fs.invalidate_cache()
    folder = f"{root}/_delta_log"
    checkpoint = _checkpoint(fs, folder, version)
    found: set[str] = set()
    if checkpoint is not None:
        data = io.BytesIO(fs.cat_file(_checkpoint_file(folder, checkpoint)))
        apps = pl.read_parquet(data, columns=["txn"])["txn"].struct.field("appId")
        found.update(apps.drop_nulls())
    for number in range(0 if checkpoint is None else checkpoint + 1, version + 1):
        for line in fs.cat_file(f"{folder}/{number:020}.json").splitlines():
            if line.startswith(b'{"txn"'):
                found.add(json.loads(line)["txn"]["appId"])
    return frozenset(found)


def _checkpoint(fs: fsspec.AbstractFileSystem, folder: str, version: int) -> int | None:
    """Return the newest checkpoint up to `version`, if there is one; a log is listed only where its hint is of no use.

    A listing grows by every commit there ever was.
    """
    with suppress(OSError, ValueError, KeyError, TypeError):
        newest = int(json.loads(fs.cat_file(f"{folder}/_last_checkpoint"))["version"])
        if newest <= version and fs.exists(_checkpoint_file(folder, newest)):
            return newest
    matches = (_CHECKPOINT.search(path) for path in fs.ls(folder, detail=False))
    return max((int(match[1]) for match in matches if match and int(match[1]) <= version), default=None)


def _checkpoint_file(folder: str, version: int) -> str:
    return f"{folder}/{version:020}.checkpoint.parquet"
