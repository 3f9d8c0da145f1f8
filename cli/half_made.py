"""A ZenML store whose making was cut short: ZenML refuses it from then on, and there is nothing in it to keep."""

import sqlite3
from contextlib import closing
from pathlib import Path

from churn.log import get_logger

log = get_logger(__name__)

_STORE = Path("local_stores", "default_zen_store", "zenml.db")
_FIRST_ROWS = {"alembic_version", "server_settings"}
"""Filled before anything else; a store with rows elsewhere has been used."""


def remove_half_made_store(home: Path) -> bool:
    """Remove the local database of ZenML if its tables were made and never stamped with a revision.

    Ctrl-C, a kill or a full disk within the first seconds of the first use leave it like that.

    Args:
        home: ZenML's folder; nobody else may be using it.

    Returns:
        Whether there was one.
    """
    database = home / _STORE
    if not database.is_file() or not _is_half_made(database):
        return False
    for file in database.parent.glob(f"{database.name}*"):
        file.unlink()
    log.info("half_made_store_removed")
    return True


def _is_half_made(database: Path) -> bool:
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        try:
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            stamped = "alembic_version" in tables and _has_rows(connection, "alembic_version")
            return not stamped and not any(_has_rows(connection, name) for name in tables - _FIRST_ROWS)
        except sqlite3.DatabaseError:
            return False  # What cannot be read is ZenML's to report.


def _has_rows(connection: sqlite3.Connection, table: str) -> bool:
    return connection.execute(f'SELECT EXISTS (SELECT 1 FROM "{table}")').fetchone() == (1,)
