"""The landing zone as ingestion sees it: hourly objects that are listed, read whole, and written by uploaders."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from churn.errors import ChurnError, UnreadableObject
from churn.hours import floor_hour
from churn.landing.layout import Format, is_hidden, known_folder, object_path, parse_day, parse_path
from churn.landing.storage import Entry, Replaced, open_storage

READ_ATTEMPTS = 3


class UnstableObject(ChurnError):
    """An object that was replaced during every attempt to read it; leave it for the next run."""


class VanishedObject(ChurnError):
    """An object that was listed and is gone; there is nothing to ingest."""


@dataclass(frozen=True)
class LandingObject:
    """One uploaded object.

    `path` (relative to the landing zone) and `name` are as the uploader chose them and may be personal: they are
    left out of the repr and must be made safe before they are shown. `hour` is the aware UTC start of the landing
    hour, `size` counts stored bytes, `etag` changes with the content.
    """

    stream: str
    path: str = field(repr=False)
    hour: datetime
    name: str = field(repr=False)
    format: Format
    compressed: bool
    size: int
    etag: str


class TooLarge(UnreadableObject):
    """An object that stores more than may be read; `found` is the object as it was then."""

    def __init__(self, found: LandingObject, max_bytes: int) -> None:
        super().__init__("too_large", f"the object stores more than {max_bytes} bytes")
        self.found = found


@dataclass(frozen=True)
class Listing:
    """What one look at a stream found: objects by (hour, path), and paths that do not follow the layout."""

    objects: list[LandingObject]
    strays: list[str] = field(repr=False)


class LandingZone:
    """A folder or bucket prefix that uploaders write to: a plain path, `file://`, `s3://`, `gs://` or other fsspec URL.

    Args:
        url: where the zone lies.
        options: passed to fsspec; endpoint and credentials otherwise come from the environment.
    """

    def __init__(self, url: str, options: Mapping[str, Any] | None = None) -> None:
        self.url = url
        self._storage = open_storage(url, options or {})

    def listing(self, stream: str, since: datetime | None = None) -> Listing:
        """List a stream; with `since`, only landing hours from the one that holds it, older days are not looked at.

        Symlinks and other special files are strays. Hidden names (`.x`, `_SUCCESS`, `x.tmp`) are passed over.
        """
        first = None if since is None else floor_hour(since)
        objects: list[LandingObject] = []
        strays: list[str] = []
        for folder in self._folders(stream, first):
            for entry in self._storage.walk(folder):
                place = parse_path(entry.path)
                if place is None or not entry.regular:
                    if not is_hidden(entry.path):
                        strays.append(entry.path)
                elif first is None or place.hour >= first:
                    objects.append(
                        LandingObject(
                            place.stream,
                            entry.path,
                            place.hour,
                            place.name,
                            place.format,
                            place.compressed,
                            entry.size,
                            entry.etag,
                        )
                    )
        return Listing(sorted(objects, key=lambda item: (item.hour, item.path)), sorted(strays))

    def objects(self, stream: str, since: datetime | None = None) -> list[LandingObject]:
        """Return the objects of `listing`."""
        return self.listing(stream, since).objects

    def strays(self, stream: str, since: datetime | None = None) -> list[str]:
        """Return the raw paths of `listing` that no ingestion will ever read; make them safe before showing them."""
        return self.listing(stream, since).strays

    def read(self, item: LandingObject, max_bytes: int | None = None) -> tuple[LandingObject, bytes]:
        """Return one version of the object, never a mixture of two.

        Returns:
            The object with the size and etag of that version, which may be newer than `item`, and its stored bytes.

        Raises:
            TooLarge: it stores more than `max_bytes`.
            UnstableObject: it was replaced during each of three attempts.
            VanishedObject: it is gone.
        """
        for _ in range(READ_ATTEMPTS):
            before = self._look(item)
            found = replace(item, size=before.size, etag=before.etag)
            if max_bytes is not None and found.size > max_bytes:
                raise TooLarge(found, max_bytes)
            try:
                data = self._storage.read(item.path, found.etag)
            except Replaced:
                continue
            except FileNotFoundError:
                raise self._gone(item) from None
            if self._look(item).etag == found.etag:
                return found, data
        raise UnstableObject(
            f"{self._place(item)}: an object is replaced faster than it can be read; "
            "let uploaders write it once, it is tried again in the next run"
        )

    def etag(self, item: LandingObject) -> str:
        """Return the etag as it is now.

        Raises:
            VanishedObject: the object is gone.
        """
        return self._look(item).etag

    def write(self, stream: str, hour: datetime, name: str, data: bytes) -> None:
        """Upload an object as one act; an object of that name is replaced.

        Raises:
            ValueError: the stream, the hour or the name does not fit the layout.
        """
        self._storage.write(object_path(stream, hour, name), data)

    def holds(self, stream: str, hour: datetime, name: str, data: bytes) -> bool:
        """Tell whether exactly these bytes are already stored under this name."""
        path = object_path(stream, hour, name)
        try:
            found = self._storage.look(path)
            return found.size == len(data) and self._storage.read(path, found.etag) == data
        except (FileNotFoundError, Replaced):
            return False

    def _folders(self, stream: str, first: datetime | None) -> list[str]:
        if first is None:
            return [stream]
        days = {name: parse_day(name) for name in self._storage.folders(stream)}
        if not days:
            return [stream]
        return [f"{stream}/{name}" for name, day in days.items() if day is None or day + timedelta(days=1) > first]

    def _look(self, item: LandingObject) -> Entry:
        try:
            found = self._storage.look(item.path)
        except FileNotFoundError:
            raise self._gone(item) from None
        if not found.regular:
            raise self._gone(item)
        return found

    def _gone(self, item: LandingObject) -> VanishedObject:
        return VanishedObject(f"{self._place(item)}: an object was removed after it was listed")

    def _place(self, item: LandingObject) -> str:
        return f"{self.url.rstrip('/')}/{known_folder(item.path)}"
