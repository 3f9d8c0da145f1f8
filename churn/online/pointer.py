"""The pointer beside the customer snapshots of a folder: it names the present one and its digest."""

import json
import os
from pathlib import Path
from typing import Final

from churn.online.layout import SnapshotInvalid

POINTER: Final = "current.json"


def read_pointer(folder: Path) -> tuple[Path, str] | None:
    """Return the present file and its digest; none while nothing was published.

    Raises:
        SnapshotInvalid: the pointer says neither.
    """
    pointer = folder / POINTER
    try:
        document = json.loads(pointer.read_bytes())
        name, digest = document["file"], document["sha256"]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SnapshotInvalid(f"{pointer}: cannot be read ({type(error).__name__}); publish again") from None
    if not isinstance(name, str) or not isinstance(digest, str) or Path(name).name != name:
        raise SnapshotInvalid(f"{pointer}: names no file of its folder; publish again")
    return folder / name, digest


def write_pointer(path: Path, digest: str) -> None:
    """Point to a whole file in its folder; whoever reads the pointer finds this one or the one before."""
    pointer = path.with_name(f".{POINTER}")
    pointer.write_text(json.dumps({"file": path.name, "sha256": digest}), encoding="utf-8")
    synced(pointer)
    pointer.rename(path.with_name(POINTER))
    synced(path.parent)


def synced(path: Path) -> None:
    """Return once a file or folder is on its disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
