"""ZenML's store after a first use that was cut short."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from cli.half_made import remove_half_made_store

MADE = ("CREATE TABLE alembic_version (n TEXT)", "CREATE TABLE server_settings (n TEXT)", "CREATE TABLE user (n TEXT)")
SETTINGS = "INSERT INTO server_settings VALUES ('id')"


def store(home: Path, *statements: str) -> Path:
    """Make a database where ZenML has its own."""
    file = home / "local_stores" / "default_zen_store" / "zenml.db"
    file.parent.mkdir(parents=True)
    with closing(sqlite3.connect(file)) as connection, connection:
        for statement in statements:
            connection.execute(statement)
    return file


@pytest.mark.parametrize("statements", [MADE[:1], MADE[1:], MADE, (*MADE, SETTINGS)])
def test_a_store_that_was_never_stamped_is_removed_with_its_journal(
    tmp_path: Path, statements: tuple[str, ...]
) -> None:
    file = store(tmp_path, *statements)
    file.with_name("zenml.db-journal").touch()

    assert remove_half_made_store(tmp_path)

    assert list(file.parent.iterdir()) == []
    assert not remove_half_made_store(tmp_path)


@pytest.mark.parametrize("last", ["INSERT INTO alembic_version VALUES ('0.98.0')", "INSERT INTO user VALUES ('anne')"])
def test_a_store_that_was_used_stays(tmp_path: Path, last: str) -> None:
    file = store(tmp_path, *MADE, SETTINGS, last)

    assert not remove_half_made_store(tmp_path)

    assert file.is_file()


def test_what_is_no_database_is_left_for_zenml_to_report(tmp_path: Path) -> None:
    file = store(tmp_path)
    file.write_bytes(b"no database" * 100)

    assert not remove_half_made_store(tmp_path)

    assert file.is_file()
