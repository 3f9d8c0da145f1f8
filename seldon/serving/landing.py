"""Where the prediction log puts its objects: a folder, or a URL of an object store."""

import os
from pathlib import Path
from typing import Protocol


class Landing(Protocol):
    """A place for whole objects."""

    def write(self, path: str, content: bytes) -> None:
        """Put an object in place, whole or not at all."""
        ...


class Folder:
    """A folder on a disk."""

    def __init__(self, root: Path) -> None:
        """Bind to the landing zone's root, which is made when it is first written to."""
        self._root = root

    def write(self, path: str, content: bytes) -> None:
        """Write under a name that ingestion passes over, then rename."""
        target = self._root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = target.with_name(f".{target.name}.tmp")
        try:
            with draft.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            draft.rename(target)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise


class ObjectStore:
    """An object store, in which an object appears whole."""

    def __init__(self, url: str) -> None:
        """Bind to a URL such as s3://bucket/landing; nothing is reached yet."""
        self._url = url.rstrip("/")

    def write(self, path: str, content: bytes) -> None:
        """Upload an object."""
        import fsspec

        filesystem, root = fsspec.core.url_to_fs(self._url)
        filesystem.pipe_file(f"{root}/{path}", content)


def landing_at(place: str) -> Landing:
    """Return the place that a folder or URL names."""
    scheme, separator, rest = place.partition("://")
    if not separator:
        return Folder(Path(place))
    return Folder(Path(rest)) if scheme == "file" else ObjectStore(place)
