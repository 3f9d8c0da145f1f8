import base64
import gzip
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import polars as pl
import pytest

from tests.reliability.canaries import leaks

WORD = "Jürgen-Groß"


def into_sqlite(path: Path, text: str) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute("create table t (x text)")
        database.execute("insert into t values (?)", (text,))
        database.commit()


@pytest.mark.parametrize(
    "hide",
    [
        lambda path: path.write_text(WORD),
        lambda path: path.write_bytes(WORD.encode("utf-16")),
        lambda path: path.write_bytes(base64.b64encode(f"to {WORD}!".encode())),
        lambda path: path.write_bytes(base64.b64encode(f"for {WORD}!".encode())),
        lambda path: path.write_bytes(base64.b64encode(f"dear {WORD}!".encode())),
        lambda path: path.write_text("J%C3%BCrgen-Gro%C3%9F"),
        lambda path: path.write_text(r"J\u00fcrgen-Gro\u00df"),
        lambda path: path.write_bytes(gzip.compress(WORD.encode())),
        lambda path: pl.DataFrame({"a": ["x"] * 500 + [WORD]}).write_parquet(path, compression="zstd"),
        lambda path: pl.DataFrame({WORD: [1]}).write_parquet(path),
        lambda path: into_sqlite(path, WORD),
        lambda path: path.with_name(f"{WORD}.txt").touch(),
    ],
)
def test_a_hidden_word_is_found(tmp_path: Path, hide: Callable[[Path], object]) -> None:
    hide(tmp_path / "file")

    assert WORD in leaks(tmp_path, [WORD, "Nobody"])
    assert "Nobody" not in leaks(tmp_path, [WORD, "Nobody"])
