"""Names of customer snapshots in an object store, where nothing can be pointed to at once: the greatest is the present.

A name says the cutoff, the version of the feature table, when it was published, and the digest, in this order. So
nothing is ever overwritten, publishers need no lock, and one that ends late puts its older snapshot behind a newer one.
To go back, remove the newest.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final

from churn.online.layout import SUFFIX

KEPT: Final = 3
"""Of the newest ones, for servers that are about to fetch one, and for a way back."""
_NAME: Final = re.compile(r"\d{8}-\d{12}-\d{8}T\d{12}Z-(?P<digest>[0-9a-f]{64})" + re.escape(SUFFIX))


@dataclass(frozen=True, order=True)
class Stored:
    """One snapshot in the store."""

    name: str
    digest: str


def stored_as(cutoff: date, version: int, digest: str, at: datetime) -> Stored:
    """Return under which name a snapshot is stored."""
    return Stored(f"{cutoff:%Y%m%d}-{version:012d}-{at.astimezone(UTC):%Y%m%dT%H%M%S%f}Z-{digest}{SUFFIX}", digest)


def all_stored(names: Iterable[str]) -> list[Stored]:
    """Return the snapshots among the names of a folder, the present one first."""
    matches = (_NAME.fullmatch(name) for name in names)
    return sorted((Stored(match[0], match["digest"]) for match in matches if match), reverse=True)
