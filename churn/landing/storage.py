"""Listing, reading and writing bytes below one root: a local folder, or any object store fsspec knows."""

import errno
import os
import secrets
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import fsspec
from fsspec.spec import AbstractFileSystem

from churn.errors import ChurnError
from churn.landing.layout import known_folder

_LEAF = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_FOLDER = os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC


class StorageError(ChurnError):
    """The storage refused or failed; the message names the place and never the object."""


class Replaced(ChurnError):
    """The file is no longer the version that was asked for."""


@dataclass(frozen=True)
class Entry:
    """One file: its `etag` changes whenever the bytes do, `regular` is false for symlinks, pipes and the like."""

    path: str
    size: int
    etag: str
    regular: bool = True


class Storage(Protocol):
    """Paths are relative to the root, with `/` between the parts."""

    def folders(self, folder: str) -> list[str]:
        """Return the names directly below `folder`, files included; none when it does not exist."""

    def walk(self, folder: str) -> Iterator[Entry]:
        """Yield every file below `folder`, or `folder` itself when it is a file; nothing when it does not exist."""

    def look(self, path: str) -> Entry:
        """Return what the storage says of a file now; FileNotFoundError when it is gone."""

    def read(self, path: str, etag: str) -> bytes:
        """Return the bytes of the version with this etag; Replaced when there is another, FileNotFoundError if none."""

    def write(self, path: str, data: bytes) -> None:
        """Replace the object as one act: a reader sees all of it or none."""


def open_storage(url: str, options: Mapping[str, Any]) -> Storage:
    """Open a plain path, `file://` or any other fsspec URL."""
    scheme, separator, rest = url.partition("://")
    if not separator or scheme in ("file", "local"):
        return LocalStorage(Path(rest if separator else url).absolute())
    return RemoteStorage(url, options)


class LocalStorage:
    """A folder. Every part of a path is opened without following symlinks, so nothing outside is reached."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def folders(self, folder: str) -> list[str]:
        """Return the names directly below `folder`."""
        with self._explained(folder):
            if not (self._root / folder).is_symlink():
                return sorted(os.listdir(self._root / folder))
        return []

    def walk(self, folder: str) -> Iterator[Entry]:
        """Yield every file below `folder`."""
        start = self._root / folder
        with self._explained(folder):
            found = start.lstat()
            if stat.S_ISDIR(found.st_mode):
                yield from self._walk(folder)
            else:
                yield _local_entry(folder, found)

    def _walk(self, folder: str) -> Iterator[Entry]:
        with self._explained(folder), os.scandir(self._root / folder) as entries:
            for entry in entries:
                path = f"{folder}/{entry.name}"
                if entry.is_dir(follow_symlinks=False):
                    yield from self._walk(path)
                    continue
                try:
                    yield _local_entry(path, entry.stat(follow_symlinks=False))
                except FileNotFoundError:
                    continue

    def look(self, path: str) -> Entry:
        """Return what the file system says of a file."""
        with _refusals(partial(self._place, path)):
            return _local_entry(path, (self._root / path).lstat())

    def read(self, path: str, etag: str) -> bytes:
        """Return the bytes of a regular file, if what was opened is the version asked for."""
        with _refusals(partial(self._place, path)):
            descriptor = self._open(path)
            with os.fdopen(descriptor, "rb") as file:
                opened = _local_entry(path, os.fstat(descriptor))
                if not opened.regular:
                    raise FileNotFoundError
                if opened.etag != etag:
                    raise Replaced(self._place(path))
                return file.read()

    def _open(self, path: str) -> int:
        *folders, name = path.split("/")
        at = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for folder in folders:
                below = os.open(folder, _FOLDER, dir_fd=at)
                os.close(at)
                at = below
            return os.open(name, _LEAF, dir_fd=at)
        finally:
            os.close(at)

    def write(self, path: str, data: bytes) -> None:
        """Write beside the target under a hidden name, then rename."""
        target = self._root / path
        with _refusals(partial(self._place, path)):
            self._make_folder(target.parent)
            hidden = target.with_name(f".{secrets.token_hex(8)}.tmp")
            try:
                hidden.write_bytes(data)
                hidden.replace(target)
            except BaseException:
                hidden.unlink(missing_ok=True)
                raise

    def _make_folder(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except (FileNotFoundError, NotADirectoryError, FileExistsError):
            raise StorageError(f"{self._root}: no folder can be made there; mend landing.url") from None

    def _place(self, path: str) -> str:
        return str(self._root / known_folder(path))

    @contextmanager
    def _explained(self, folder: str) -> Iterator[None]:
        try:
            with _refusals(partial(self._place, folder)):
                yield
        except FileNotFoundError:
            return


class RemoteStorage:
    """An object store behind fsspec; listings are never cached, so that a new object is seen at once."""

    def __init__(self, url: str, options: Mapping[str, Any]) -> None:
        self._url = url.rstrip("/")
        with _failures(lambda: self._url):
            opened = fsspec.core.url_to_fs(self._url, use_listings_cache=False, **options)
        self._fs: AbstractFileSystem = opened[0]
        self._root: str = opened[1].rstrip("/")

    def folders(self, folder: str) -> list[str]:
        """Return the names directly below `folder`."""
        with _failures(partial(self._place, folder)):
            self._fs.invalidate_cache()
            try:
                found = self._fs.ls(f"{self._root}/{folder}", detail=False)
            except FileNotFoundError:
                self._require_bucket()
                return []
        return sorted(name.rstrip("/").rpartition("/")[2] for name in found)

    def walk(self, folder: str) -> Iterator[Entry]:
        """Yield every object below `folder`."""
        with _failures(partial(self._place, folder)):
            self._fs.invalidate_cache()
            try:
                found = self._fs.find(f"{self._root}/{folder}", detail=True)
            except FileNotFoundError:
                self._require_bucket()
                return
        for name, info in found.items():
            if info["type"] == "file" and not name.endswith("/"):
                yield _remote_entry(name.removeprefix(f"{self._root}/"), info)

    def look(self, path: str) -> Entry:
        """Return what the store says of an object."""
        with _failures(partial(self._place, path)):
            self._fs.invalidate_cache()
            return _remote_entry(path, self._fs.info(f"{self._root}/{path}"))

    def read(self, path: str, etag: str) -> bytes:
        """Return the bytes of an object.

        S3 gives content that comes back its old etag, and s3fs asks for the etag it saw when opening; the other
        stores never use an etag twice, so that looking before and after is enough.
        """
        with _failures(partial(self._place, path)):
            try:
                with self._fs.open(f"{self._root}/{path}", "rb", cache_type="none") as file:
                    opened = getattr(file, "details", None)
                    if opened is None or _remote_etag(opened) == etag:
                        return bytes(file.read())
            except OSError as error:
                if error.errno != errno.EBUSY:
                    raise
            raise Replaced(self._place(path))

    def write(self, path: str, data: bytes) -> None:
        """Put the object; object stores show it whole or not at all."""
        with _failures(partial(self._place, path)):
            self._fs.pipe_file(f"{self._root}/{path}", data)

    def _place(self, path: str) -> str:
        return f"{self._url}/{known_folder(path)}"

    def _require_bucket(self) -> None:
        bucket = self._root.partition("/")[0]
        if bucket and not self._fs.exists(bucket):
            raise StorageError(f"{self._url}: there is no bucket {bucket}; create it or mend landing.url")


def _local_entry(path: str, found: os.stat_result) -> Entry:
    etag = f"{found.st_mtime_ns}-{found.st_size}-{found.st_ino}"
    return Entry(path, found.st_size, etag, regular=stat.S_ISREG(found.st_mode))


def _remote_entry(path: str, info: Mapping[str, Any]) -> Entry:
    return Entry(path, int(info["size"] or 0), _remote_etag(info))


def _remote_etag(info: Mapping[str, Any]) -> str:
    for name in ("ETag", "etag", "e_tag", "md5Hash", "generation"):
        if info.get(name):
            return str(info[name]).strip('"')
    times = (info.get(name) for name in ("LastModified", "last_modified", "updated", "mtime", "created"))
    changed = next((time for time in times if time is not None), "")
    return f"{changed.timestamp() if isinstance(changed, datetime) else changed}-{info['size']}"


@contextmanager
def _refusals(place: Callable[[], str]) -> Iterator[None]:
    """Turn what the operating system refuses into an error that names the folder only: file names may be personal.

    A symlink where a file or folder was listed counts as missing.
    """
    try:
        yield
    except (FileNotFoundError, NotADirectoryError):
        raise FileNotFoundError(place()) from None
    except PermissionError:
        raise StorageError(f"{place()}: permission denied; give this process read and write access there") from None
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise FileNotFoundError(place()) from None
        fault = error.strerror or type(error).__name__
        raise StorageError(f"{place()}: {fault}; look at the disk and the mount") from None


@contextmanager
def _failures(place: Callable[[], str]) -> Iterator[None]:
    """Do the same for object stores, whose clients raise many kinds of errors that quote the key."""
    try:
        with _refusals(place):
            yield
    except (ChurnError, FileNotFoundError):
        raise
    except Exception as error:
        kind = type(error).__name__
        raise StorageError(f"{place()}: the object store failed ({kind}); check its address and credentials") from None
