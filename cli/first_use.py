"""The first use of ZenML's local store, which must come to its end once.

ZenML makes tables, stamps them, and then adds flavors, a project and a stack of its own in commits of their own. Cut
short in between, by Ctrl-C, a kill or a full disk, the store is refused from then on.
"""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from churn.log import get_logger

log = get_logger(__name__)

STORE = Path("local_stores", "default_zen_store", "zenml.db")
BEGUN = ".first-use.begun"


def use_store(home: Path, make: Callable[[], object]) -> None:
    """Open the store below `home`; one that is made here and is cut short is made anew the next time.

    Args:
        home: ZenML's folder; nobody else may be using it for the first time.
        make: opens the store, making it where there is none.
    """
    database, begun = home / STORE, home / BEGUN
    if begun.exists() and not _was_used(database):
        for file in database.parent.glob(f"{database.name}*"):
            file.unlink()
        log.info("half_made_store_removed")
    if not database.exists():
        begun.touch()
    make()
    begun.unlink(missing_ok=True)


def _was_used(database: Path) -> bool:
    """Tell whether a run was recorded: the store was whole enough for that, and holds what must not be lost.

    Opened for writing, because what a kill left of a commit must be taken back before anything can be read.
    """
    if not database.exists():
        return False
    with closing(sqlite3.connect(f"file:{database}?mode=rw", uri=True)) as connection:
        try:
            found: tuple[int] = connection.execute("SELECT EXISTS (SELECT 1 FROM pipeline_run)").fetchone()
        except sqlite3.OperationalError as error:
            return "no such table" not in str(error)  # one that is locked or cannot be read may hold runs
    return bool(found[0])
