"""Finds text in every byte below a folder, in whatever spelling it may have ended up there."""

import base64
import gzip
import html
import io
import json
import sqlite3
import urllib.parse
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq


def spellings(word: str) -> Iterator[bytes]:
    """Give the ways a word may be written: encodings, escapes, and Base64 at each of its three offsets."""
    for text in {word, word.lower(), word.upper()}:
        for encoding in ("utf-8", "utf-16-le", "utf-16-be", "latin-1"):
            raw = text.encode(encoding, "replace")
            yield raw
            for offset in range(3):
                first, last = -(-offset * 4 // 3), (offset + len(raw)) * 4 // 3
                yield base64.b64encode(bytes(offset) + raw)[first:last]
            yield raw.hex().encode()
        yield urllib.parse.quote(text).encode()
        yield urllib.parse.quote_plus(text).encode()
        yield json.dumps(text)[1:-1].encode()
        yield html.escape(text).encode()
        yield ascii(text)[1:-1].encode()


def leaks(folder: Path, words: Iterable[str]) -> dict[str, set[str]]:
    """Return each word that stands anywhere below `folder` with the files that hold it; short ones do by chance."""
    words = tuple(words)
    assert min(map(len, words)) > 5, words
    wanted = {word: set(spellings(word)) for word in words}
    any_of_them = [_as_text(way) for ways in wanted.values() for way in ways]
    found: dict[str, set[str]] = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        haystacks = [name.encode("utf-8", "surrogateescape"), *(_contents(path) if path.is_file() else [])]
        if not pl.Series(map(_as_text, haystacks), dtype=pl.String).str.contains_any(any_of_them).any():
            continue
        for word, ways in wanted.items():
            if any(way in haystack for way in ways for haystack in haystacks):
                found.setdefault(word, set()).add(name)
    return found


def _as_text(data: bytes) -> str:
    """Give each byte a character, so that Polars looks for thousands of byte strings in one go."""
    return data.decode("latin-1")


def _contents(path: Path) -> Iterator[bytes]:
    """Give the bytes of a file and what they unpack to."""
    data = path.read_bytes()
    yield data
    if data.startswith(b"PAR1"):
        yield from _parquet(data)
    elif data.startswith(b"SQLite format 3\x00"):
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
            yield "\n".join(database.iterdump()).encode("utf-8", "surrogateescape")
        database.close()
    elif data.startswith(b"\x1f\x8b"):
        yield gzip.decompress(data)
    elif zipfile.is_zipfile(io.BytesIO(data)):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            yield from (archive.read(name) for name in archive.namelist())


def _parquet(data: bytes) -> Iterator[bytes]:
    """Pages and statistics may be compressed: give every value of every column, the schema and the metadata."""
    footer = pq.read_metadata(io.BytesIO(data))
    yield str(footer.metadata).encode() + str(footer.schema).encode()
    frame = pl.read_parquet(io.BytesIO(data), hive_partitioning=False)
    for column in frame:
        for value in column.unique():
            yield value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogateescape")
