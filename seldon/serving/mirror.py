"""The customer snapshots of an object store, copied to a folder: a file can be mapped there, and is whole."""

import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from churn.online.layout import SUFFIX, open_snapshot
from churn.online.pointer import write_pointer
from churn.online.stored import Stored, all_stored
from seldon.serving.refusal import complain

LOOK_SECONDS: Final = 15.0
"""Between two looks into the store."""


@contextmanager
def customers_at(place: str | None) -> Iterator[Path | None]:
    """Return the folder of the customer snapshots, if any; of those that a URL names, a copy of the present one.

    A store that is away stops no server: it answers from what it has, or that it has nothing, and looks again.
    """
    if place is None or "://" not in place:
        yield Path(place) if place else None
        return
    with tempfile.TemporaryDirectory(prefix="customers-") as folder:
        mirror = Mirror(place, Path(folder))
        mirror.look()
        threading.Thread(target=mirror.follow, args=(LOOK_SECONDS,), name="mirror", daemon=True).start()
        yield Path(folder)


class Mirror:
    """One folder of a store, and its copy."""

    def __init__(self, url: str, folder: Path) -> None:
        """Bind to a URL such as s3://bucket/serving/customers; nothing is reached yet."""
        self._url, self._folder = url.rstrip("/"), folder
        self._present: Stored | None = None
        self._fault = ""

    def look(self) -> None:
        """Fetch the present snapshot, unless it is there; a fault is said once on stderr."""
        try:
            stored = self._newest()
            if stored is not None and stored != self._present:
                self._fetch(stored)
                self._present = stored
            fault = ""
        except Exception as error:  # each kind of store has its own, and none may end the thread
            fault = f"{self._url}: no customer snapshot can be fetched ({type(error).__name__}); "
            fault += "check the store's address and this server's credentials"
        if fault and fault != self._fault:
            complain(fault)
        self._fault = fault

    def follow(self, seconds: float) -> None:
        """Look every so often, for good."""
        while True:
            time.sleep(seconds)
            self.look()

    def _newest(self) -> Stored | None:
        import fsspec

        filesystem, root = fsspec.core.url_to_fs(self._url)
        filesystem.invalidate_cache()
        try:
            names = [name.rpartition("/")[2] for name in filesystem.ls(root, detail=False)]
        except FileNotFoundError:  # nothing was published yet
            return None
        return next(iter(all_stored(names)), None)

    def _fetch(self, stored: Stored) -> None:
        import fsspec

        filesystem, root = fsspec.core.url_to_fs(self._url)
        path = self._folder / f"{stored.digest}{SUFFIX}"
        draft = path.with_name(f".{path.name}")
        try:
            filesystem.get_file(f"{root}/{stored.name}", str(draft))
            open_snapshot(draft, stored.digest)
            draft.rename(path)
        finally:
            draft.unlink(missing_ok=True)
        write_pointer(path, stored.digest)
        for other in self._folder.glob(f"*{SUFFIX}"):
            if other != path:
                with suppress(OSError):  # who has it mapped keeps its contents
                    other.unlink()
