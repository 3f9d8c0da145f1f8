"""SHA-256 of what a frame holds, whatever file or chunk it came in."""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

import polars as pl

_READ_BY_DBT = frozenset({".sql", ".yml", ".yaml", ".py", ".csv", ".md"})


def frame_digest(frame: pl.DataFrame) -> str:
    """Return the digest of column names, types and values, in the order of rows and columns."""
    digest = hashlib.sha256()
    for column in frame:
        missing = column.is_null()
        digest.update(f"{column.name}:{column.dtype}:{len(column)}".encode())
        digest.update(missing.to_numpy().tobytes())
        if column.dtype == pl.String:
            known = column.drop_nulls()
            digest.update(known.str.len_bytes().to_numpy().tobytes())
            digest.update("".join(known).encode())
        else:
            physical = column.to_physical()
            filled = physical.fill_null(False if physical.dtype == pl.Boolean else 0)
            digest.update(filled.rechunk().to_numpy().tobytes())
    return digest.hexdigest()


def joint_digest(digests: Mapping[str, str]) -> str:
    """Return one digest for named parts, whatever order they come in."""
    return _lines(f"{name} {digest}" for name, digest in sorted(digests.items()))


def project_digest(folder: Path) -> str:
    """Return the digest of the names and contents of the files of a folder that dbt reads."""
    files = sorted(path for path in folder.rglob("*") if path.suffix in _READ_BY_DBT and path.is_file())
    contents = ((path.relative_to(folder).as_posix(), hashlib.sha256(path.read_bytes()).hexdigest()) for path in files)
    return _lines(f"{name} {digest}" for name, digest in contents)


def _lines(lines: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
