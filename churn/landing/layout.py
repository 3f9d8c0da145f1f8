"""Where an object lies: `<stream>/dt=YYYY-MM-DD/hour=HH/NAME.(jsonl|jsonl.gz|csv|csv.gz|parquet)`, hours in UTC."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from churn.hours import floor_hour

Format = Literal["jsonl", "csv", "parquet"]
EXTENSIONS: dict[str, tuple[Format, bool]] = {
    "jsonl": ("jsonl", False),
    "jsonl.gz": ("jsonl", True),
    "csv": ("csv", False),
    "csv.gz": ("csv", True),
    "parquet": ("parquet", False),
}
"""File name extension → format and whether gzip wraps it."""

_STREAM = re.compile(r"[a-z][a-z0-9_]*")
_DAY = re.compile(r"dt=([0-9]{4}-[0-9]{2}-[0-9]{2})")
_HOUR = re.compile(r"hour=([01][0-9]|2[0-3])")


@dataclass(frozen=True)
class Place:
    """What the path of a well-placed object says; `hour` is the aware UTC start of its landing hour."""

    stream: str
    hour: datetime
    name: str
    format: Format
    compressed: bool


def object_path(stream: str, hour: datetime, name: str) -> str:
    """Return the path of an object relative to the landing zone.

    Raises:
        ValueError: `hour` is naive, or the stream or name would not be recognised when listed again.
    """
    start = floor_hour(hour)
    path = f"{stream}/dt={start.date()}/hour={start:%H}/{name}"
    if parse_path(path) is None:
        raise ValueError(f"stream {stream!r} or the object name does not fit the layout; see churn/landing/layout.py")
    return path


def parse_path(path: str) -> Place | None:
    """Read a path relative to the landing zone; None when it does not follow the layout exactly.

    Names that could mislead a file system or an object store are refused: control and other unprintable
    characters, backslashes, `..`, and `?versionId=`, which s3fs would take for another object.
    """
    parts = path.split("/")
    if len(parts) != 4:
        return None
    stream, day, hour, name = parts
    on, at = _DAY.fullmatch(day), _HOUR.fullmatch(hour)
    kind = _extension(name)
    if not (_STREAM.fullmatch(stream) and on and at and kind) or is_hidden(path):
        return None
    try:
        start = datetime.fromisoformat(f"{on[1]}T{at[1]}:00").replace(tzinfo=UTC)
    except ValueError:
        return None
    return Place(stream, start, name, *kind)


def parse_day(folder: str) -> datetime | None:
    """Return the UTC midnight that a `dt=` folder name stands for; None for any other name."""
    match = _DAY.fullmatch(folder)
    if match is None:
        return None
    try:
        return datetime.fromisoformat(match[1]).replace(tzinfo=UTC)
    except ValueError:
        return None


def is_hidden(path: str) -> bool:
    """Tell whether an uploader keeps something of its own there: `.x`, `_SUCCESS`, `x.tmp`; passed over in silence."""
    parts = path.split("/")
    return any(part.startswith((".", "_")) and part not in (".", "..") for part in parts) or parts[-1].endswith(".tmp")


def known_folder(path: str) -> str:
    """Return the leading folders that follow the layout: safe to show, whatever an uploader named the rest."""
    known: list[str] = []
    for pattern, part in zip((_STREAM, _DAY, _HOUR), path.split("/"), strict=False):
        if not pattern.fullmatch(part):
            break
        known.append(part)
    return "/".join(known)


def _extension(name: str) -> tuple[Format, bool] | None:
    if not name.isprintable() or "\\" in name or ".." in name or "?versionId=" in name:
        return None
    for extension, kind in EXTENSIONS.items():
        if name.endswith(f".{extension}") and len(name) > len(extension) + 1:
            return kind
    return None
