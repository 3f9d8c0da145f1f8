"""ZenML's store after a first use that was cut short."""

import sqlite3
import subprocess
import sys
from contextlib import closing, suppress
from pathlib import Path

import pytest

from cli.first_use import STORE, use_store

HALF = ("CREATE TABLE pipeline_run (n TEXT)",)
USED = (*HALF, "INSERT INTO pipeline_run VALUES ('a')")


def made(home: Path, *statements: str) -> Path:
    """Make a database where ZenML has its own."""
    file = home / STORE
    file.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(file)) as connection, connection:
        for statement in statements:
            connection.execute(statement)
    return file


def cut_short(home: Path, *statements: str) -> Path:
    """Make a store and be stopped before it is whole."""

    def make() -> None:
        made(home, *statements)
        raise KeyboardInterrupt

    with suppress(KeyboardInterrupt):
        use_store(home, make)
    return home / STORE


@pytest.mark.parametrize("statements", [(), HALF, ("CREATE TABLE alembic_version (n TEXT)",)])
def test_a_store_that_was_cut_short_is_made_anew(tmp_path: Path, statements: tuple[str, ...]) -> None:
    file = cut_short(tmp_path, *statements)
    file.with_name("zenml.db-journal").touch()
    seen: list[bool] = []

    use_store(tmp_path, lambda: seen.append(file.parent.joinpath("zenml.db-journal").exists() or file.exists()))
    made(tmp_path, *HALF)
    use_store(tmp_path, lambda: seen.append(file.exists()))

    assert seen == [False, True]


def test_what_is_cut_short_again_and_again_is_still_made_in_the_end(tmp_path: Path) -> None:
    for statements in ((), HALF, HALF):
        file = cut_short(tmp_path, *statements)

    use_store(tmp_path, lambda: made(tmp_path, *HALF))
    use_store(tmp_path, lambda: None)

    assert file.exists()


def test_a_store_with_runs_is_never_removed(tmp_path: Path) -> None:
    file = cut_short(tmp_path, *USED)

    use_store(tmp_path, lambda: None)

    assert file.exists()


def test_a_store_with_runs_stays_while_somebody_writes_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = cut_short(tmp_path, *USED)
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda place, uri: connect(place, uri=uri, timeout=0.1))

    with closing(connect(file)) as writer:
        writer.execute("BEGIN EXCLUSIVE")
        use_store(tmp_path, lambda: None)

    assert file.exists()


def test_a_store_with_runs_stays_when_a_kill_cut_a_commit_short(tmp_path: Path) -> None:
    file = cut_short(tmp_path, *USED)
    killed = f"""
import os, sqlite3
connection = sqlite3.connect({str(file)!r}, isolation_level=None)
connection.execute("PRAGMA cache_size = 1")
connection.execute("BEGIN")
connection.executemany("INSERT INTO pipeline_run VALUES (?)", [("x" * 4000,)] * 100)
os._exit(9)
"""
    subprocess.run([sys.executable, "-c", killed], check=False)
    assert file.with_name("zenml.db-journal").stat().st_size

    use_store(tmp_path, lambda: None)

    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("SELECT n FROM pipeline_run").fetchall() == [("a",)]


def test_a_store_that_others_have_made_stays_when_its_use_is_cut_short(tmp_path: Path) -> None:
    file = made(tmp_path, *HALF)

    cut_short(tmp_path)
    use_store(tmp_path, lambda: None)

    assert file.exists()
